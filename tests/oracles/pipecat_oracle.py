"""What pipecat makes of frames. One JSON question per line of standard input, one answer per line."""

import asyncio
import audioop
import base64
import json
import sys
from types import SimpleNamespace

from loguru import logger

logger.remove()

from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.exotel import ExotelFrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer


def without_hanging_up(serializer):
    """Hanging up would need a provider's credentials."""
    return serializer.InputParams(auto_hang_up=False)


SERIALIZERS = {
    "twilio": lambda stream: TwilioFrameSerializer(
        stream, params=without_hanging_up(TwilioFrameSerializer)
    ),
    "telnyx": lambda stream: TelnyxFrameSerializer(
        stream, "PCMU", "PCMU", params=without_hanging_up(TelnyxFrameSerializer)
    ),
    "exotel": lambda stream: ExotelFrameSerializer(stream),
}


def to_linear(dialect, line):
    return line if dialect == "exotel" else audioop.ulaw2lin(line, 2)


def from_linear(dialect, linear):
    return linear if dialect == "exotel" else audioop.lin2ulaw(linear, 2)


async def classify(question):
    """Which provider these frames are from, and what they tell of the call."""

    class Socket:
        async def iter_text(self):
            for frame in question["frames"]:
                yield frame

    provider, call = await parse_telephony_websocket(Socket())
    told = {key: call.get(key) for key in ("call_id", "stream_id", "from", "to")}
    return {"provider": provider, **told}


async def serializer_for(question):
    serializer = SERIALIZERS[question["dialect"]](question["stream"])
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=8000))
    return serializer


async def hear(question):
    """The audio of these frames, as it is written on the line."""
    serializer = await serializer_for(question)
    line = b""
    for frame in question["frames"]:
        heard = await serializer.deserialize(frame)
        line += from_linear(question["dialect"], heard.audio) if heard else b""
    return {"audio": base64.b64encode(line).decode()}


async def say(question):
    """The frames for this audio, and the one that clears it."""
    serializer = await serializer_for(question)
    linear = to_linear(question["dialect"], base64.b64decode(question["audio"]))
    media = await serializer.serialize(OutputAudioRawFrame(linear, 8000, 1))
    clear = await serializer.serialize(InterruptionFrame())
    return {"media": json.loads(media), "clear": json.loads(clear)}


async def main():
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(await globals()[question["ask"]](question)), flush=True)


asyncio.run(main())
