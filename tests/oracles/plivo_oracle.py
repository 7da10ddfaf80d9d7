"""What Plivo's stream SDK, pipecat and pipecat-vobiz make of frames. One JSON question per line of
standard input, one answer per line."""

import asyncio
import audioop
import base64
import importlib.util
import json
import pathlib
import sys
from types import SimpleNamespace

from loguru import logger

logger.remove()

from pipecat.frames.frames import EndFrame, InterruptionFrame, OutputAudioRawFrame
from pipecat.serializers.plivo import PlivoFrameSerializer
from pipecat.serializers.vobiz import VobizFrameSerializer
from pydantic import ValidationError


def models():
    """The SDK's models by the event they are for. Its package imports web frameworks; the file with
    the models does not."""
    package = importlib.util.find_spec("plivo_stream").submodule_search_locations[0]
    path = pathlib.Path(package) / "types.py"
    spec = importlib.util.spec_from_file_location("plivo_stream_types", path)
    types = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(types)
    return {
        "playAudio": types.PlayAudioEvent,
        "checkpoint": types.CheckpointEvent,
        "clearAudio": types.ClearAudioEvent,
    }


MODELS = models()


def is_linear(question):
    return question["encoding"] == "audio/x-l16"


async def serializer_for(question):
    rate = question["rate"]
    if question["provider"] == "plivo":
        params = PlivoFrameSerializer.InputParams(plivo_sample_rate=rate, auto_hang_up=False)
        serializer = PlivoFrameSerializer(question["stream"], params=params)
    else:
        params = VobizFrameSerializer.InputParams(
            vobiz_sample_rate=rate,
            encoding=question["encoding"],
            l16_byte_order=question["order"],
            hangup_method="ws_stop",
        )
        serializer = VobizFrameSerializer(question["stream"], params=params)
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=rate))
    return serializer


async def validate(question):
    """What is wrong with each frame: a text, or null. Numbers have to be numbers, and a field that
    its model does not have is wrong, too."""

    def fault(frame):
        model = MODELS.get(frame["event"])
        if model is None:
            return "unknown to the SDK"
        try:
            known = model.model_validate(frame, strict=True).model_dump(by_alias=True)
        except ValidationError as error:
            return str(error)
        return None if known == frame else f"more than {known}"

    return {"faults": [fault(json.loads(frame)) for frame in question["frames"]]}


async def hear(question):
    """The audio of each of these frames, linear and little-endian; null where there is none."""
    serializer = await serializer_for(question)
    heard = [await serializer.deserialize(frame) for frame in question["frames"]]
    audio = [getattr(frame, "audio", None) for frame in heard]
    return {"audio": [sound and base64.b64encode(sound).decode() for sound in audio]}


async def say(question):
    """The frames for this audio, for an interruption and for the end, if there is one."""
    serializer = await serializer_for(question)
    audio = base64.b64decode(question["audio"])
    linear = audio if is_linear(question) else audioop.ulaw2lin(audio, 2)
    said = {
        "media": OutputAudioRawFrame(linear, question["rate"], 1),
        "clear": InterruptionFrame(),
        "end": EndFrame(),
    }
    said = {name: await serializer.serialize(frame) for name, frame in said.items()}
    return {name: frame and json.loads(frame) for name, frame in said.items()}


async def main():
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(await globals()[question["ask"]](question)), flush=True)


asyncio.run(main())
