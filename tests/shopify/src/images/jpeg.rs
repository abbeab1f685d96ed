//! A plain grey JPEG of any size (ITU-T T.81, baseline), long enough to be of the length that is asked for.

/// The longest segment that is written, its marker included.
const LONGEST_SEGMENT: usize = 65_537;
/// Marker and length of a segment.
const SEGMENT_HEAD: usize = 4;

/// An image of these pixels and so many bytes, with `shown` as its comment.
pub(super) fn of(shown: &str, width: u32, height: u32, bytes: u64) -> Vec<u8> {
    let size = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).to_be_bytes();
    let mut frame = vec![8];
    frame.extend(size(height));
    frame.extend(size(width));
    // One component, not sampled down, by the first table of quantisation.
    frame.extend([1, 1, 0x11, 0]);
    // One code of one bit: no difference to the block before, or the end of a block.
    let code = |class: u8| [[class, 1].as_slice(), &[0; 15], &[0]].concat();
    let mut after = Vec::new();
    segment(&mut after, 0xDB, &[[0].as_slice(), &[1; 64]].concat());
    segment(&mut after, 0xC0, &frame);
    segment(&mut after, 0xC4, &code(0x00));
    segment(&mut after, 0xC4, &code(0x10));
    segment(&mut after, 0xDA, &[1, 1, 0, 0, 63, 0]);
    // Two bits for each block of 8 × 8 pixels, all of them 0; the last byte is filled up with ones.
    let bits = 2 * (width.div_ceil(8) * height.div_ceil(8)) as usize;
    after.resize(after.len() + bits.div_ceil(8), 0);
    if let Some(last) = after.last_mut().filter(|_| !bits.is_multiple_of(8)) {
        *last = u8::MAX >> (bits % 8);
    }
    after.extend([0xFF, 0xD9]);

    let mut image = vec![0xFF, 0xD8];
    segment(&mut image, 0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut left = wanted.saturating_sub(image.len() + after.len()).max(SEGMENT_HEAD + shown.len());
    while left > 0 {
        let mut length = left.min(LONGEST_SEGMENT);
        if (1..SEGMENT_HEAD).contains(&(left - length)) {
            length -= SEGMENT_HEAD;
        }
        let comment: Vec<u8> = shown.bytes().cycle().take(length - SEGMENT_HEAD).collect();
        segment(&mut image, 0xFE, &comment);
        left -= length;
    }
    image.extend(after);
    image
}

fn segment(image: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let length = u16::try_from(content.len() + 2).unwrap_or(u16::MAX);
    image.extend([0xFF, marker]);
    image.extend(length.to_be_bytes());
    image.extend(content);
}
