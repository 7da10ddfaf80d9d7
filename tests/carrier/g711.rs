//! G.711 by its definition: what each code stands for, and for a sample the code nearest to it.
//! Slow, obvious, and independent of the tables and shifts that codecs use.

/// What a mu-law code stands for, in 16 bits: a sign, a segment and a step within it, around a bias
/// of 33 in 14 bits.
pub fn decode_mulaw(code: u8) -> i16 {
    let code = !code;
    let (segment, step) = (u32::from(code >> 4 & 7), i32::from(code & 0xf));
    let magnitude = ((2 * step + 33) << segment) - 33;
    signed(4 * magnitude, code & 0x80 != 0)
}

/// What an A-law code stands for, in 16 bits: every second bit inverted, the lowest two segments of
/// the same step.
pub fn decode_alaw(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = (u32::from(code >> 4 & 7), i32::from(code & 0xf));
    let magnitude = match segment {
        0 => 2 * step + 1,
        segment => (2 * step + 33) << (segment - 1),
    };
    signed(8 * magnitude, code & 0x80 == 0)
}

fn signed(magnitude: i32, negative: bool) -> i16 {
    i16::try_from(if negative { -magnitude } else { magnitude }).unwrap()
}

/// The code that stands for the value nearest to this one.
pub fn encode(decode: fn(u8) -> i16, sample: i16) -> u8 {
    let distance = |code: &u8| (i32::from(decode(*code)) - i32::from(sample)).abs();
    (0..=255).min_by_key(distance).unwrap()
}

#[test]
fn the_laws_have_the_values_of_the_standard() {
    assert_eq!([0xff, 0x80, 0x00, 0x7f].map(decode_mulaw), [0, 32_124, -32_124, 0]);
    assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(decode_alaw), [8, -8, 32_256, -32_256]);
    for decode in [decode_mulaw, decode_alaw] {
        let values = (0..=255).map(|code| decode(encode(decode, decode(code))));
        assert!(values.eq((0..=255).map(decode)));
    }
}
