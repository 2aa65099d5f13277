//! Frames: what a stream between members is cut into (docs/format/peer.md, section 2).
//!
//! A frame is refused before memory is set aside for it, and its checksum is right before a byte
//! of it is looked at.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::malformed::Malformed;

/// The longest body of a frame that is accepted.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// The longest body of a handshake frame that is accepted: nothing is known of the sender yet.
pub(crate) const HANDSHAKE_BYTES_MAX: usize = 4 << 10;

const LENGTH_OFFSET: usize = 0;
const CHECKSUM_OFFSET: usize = LENGTH_OFFSET + 4;
const BODY_OFFSET: usize = CHECKSUM_OFFSET + 4;

/// Appends one frame to `buffer`, whose body `write` appends.
pub fn put_frame(buffer: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let start = buffer.len();
    buffer.put_bytes(0, BODY_OFFSET);
    write(buffer);
    let frame = &mut buffer[start..];
    let length = frame.len() - BODY_OFFSET;
    assert!(length <= FRAME_BYTES_MAX, "a frame is built within the limit it is read under");
    let checksum = crc32c::crc32c(&frame[BODY_OFFSET..]);
    frame[LENGTH_OFFSET..CHECKSUM_OFFSET].copy_from_slice(&(length as u32).to_le_bytes());
    frame[CHECKSUM_OFFSET..BODY_OFFSET].copy_from_slice(&checksum.to_le_bytes());
}

/// Takes the body of the next frame off the front of `buffer`; none while it is not whole.
pub fn take_frame(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<Bytes>, Malformed> {
    if buffer.len() < BODY_OFFSET {
        return Ok(None);
    }
    let mut header = &buffer[..BODY_OFFSET];
    let length = header.get_u32_le() as usize;
    let checksum = header.get_u32_le();
    if length > bytes_max {
        return Err(Malformed::FrameTooLong { length, bytes_max });
    }
    if buffer.len() < BODY_OFFSET + length {
        buffer.reserve(BODY_OFFSET + length - buffer.len());
        return Ok(None);
    }
    buffer.advance(BODY_OFFSET);
    let body = buffer.split_to(length).freeze();
    if crc32c::crc32c(&body) != checksum {
        return Err(Malformed::Checksum);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> BytesMut {
        let mut buffer = BytesMut::new();
        put_frame(&mut buffer, |buffer| buffer.put_slice(body));
        buffer
    }

    #[test]
    fn a_frame_comes_out_only_when_it_is_whole() {
        let whole = frame(b"hello");
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert_eq!(take_frame(&mut buffer, FRAME_BYTES_MAX), Ok(None), "cut at {cut}");
        }
        let mut buffer = whole.clone();
        buffer.put_slice(b"next");
        assert_eq!(take_frame(&mut buffer, 5), Ok(Some(Bytes::from_static(b"hello"))));
        assert_eq!(&buffer[..], b"next");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let whole = frame(b"hello");
        for bit in 0..whole.len() * 8 {
            let mut buffer = whole.clone();
            buffer[bit / 8] ^= 1 << (bit % 8);
            let taken = take_frame(&mut buffer, FRAME_BYTES_MAX);
            assert!(!matches!(taken, Ok(Some(_))), "bit {bit}: {taken:?}");
        }
    }

    #[test]
    fn a_long_frame_is_refused_by_its_header_alone() {
        let mut buffer = BytesMut::from(&[0xff; BODY_OFFSET][..]);
        let capacity = buffer.capacity();
        let refused = Malformed::FrameTooLong { length: u32::MAX as usize, bytes_max: 5 };
        assert_eq!(take_frame(&mut buffer, 5), Err(refused));
        assert_eq!(buffer.capacity(), capacity, "no memory is set aside for it");
    }
}
