//! Amazon's binary event stream (AWS documentation, "Event stream encoding"): frames of headers and a payload, each with
//! two CRC-32 sums.

use super::ModelError;
use super::http::lost;
use reqwest::Response;

/// Lengths and the sum over them.
const PRELUDE: usize = 12;
/// The sum over the whole frame.
const TRAILER: usize = 4;
/// The longest frame that Amazon sends is 16 MiB.
const LONGEST: usize = 16 * 1024 * 1024 + 128 * 1024;
/// The type of a header's value that is text.
const TEXT: u8 = 7;

/// One message of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Its event's or exception's name.
    pub name: String,
    /// Whether it is an exception.
    pub is_exception: bool,
    /// Its JSON.
    pub payload: Vec<u8>,
}

/// A body, frame by frame.
pub struct Frames {
    response: Response,
    buffer: Vec<u8>,
}

impl Frames {
    /// Of this answer.
    pub fn new(response: Response) -> Self {
        Self { response, buffer: Vec::new() }
    }

    /// The next frame; none at the body's end.
    pub async fn next(&mut self) -> Result<Option<Frame>, ModelError> {
        loop {
            if let Some((frame, length)) = parse(&self.buffer).map_err(ModelError::passing)? {
                self.buffer.drain(..length);
                return Ok(Some(frame));
            }
            match self.response.chunk().await.map_err(|error| lost(&error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(ModelError::broke_off()),
            }
        }
    }
}

/// The first frame and its length; none while it is not all there.
fn parse(bytes: &[u8]) -> Result<Option<(Frame, usize)>, &'static str> {
    if bytes.len() < PRELUDE {
        return Ok(None);
    }
    let (length, headers) = (number(bytes, 0), number(bytes, 4));
    if crc32fast::hash(&bytes[..8]) != as_u32(bytes, 8) || length > LONGEST || PRELUDE + headers + TRAILER > length {
        return Err("the answer is no event stream");
    }
    let Some(frame) = bytes.get(..length) else { return Ok(None) };
    let (body, sum) = frame.split_at(length - TRAILER);
    if crc32fast::hash(body) != as_u32(sum, 0) {
        return Err("the answer was damaged on the way");
    }
    let (headers, payload) = body[PRELUDE..].split_at(headers);
    let mut frame = Frame { payload: payload.to_vec(), ..Frame::default() };
    let mut rest = headers;
    while let Some((name, value, after)) = header(rest) {
        match name {
            b":event-type" | b":exception-type" => frame.name = String::from_utf8_lossy(value).into_owned(),
            b":message-type" => frame.is_exception = value != b"event",
            _ => {}
        }
        rest = after;
    }
    Ok(Some((frame, length)))
}

/// A header's name and value, and what follows. Amazon sends text only; anything else ends the list.
fn header(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(length))?;
    let (&kind, rest) = rest.split_first()?;
    let (length, rest) = rest.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let (value, rest) = rest.split_at_checked(length)?;
    (kind == TEXT).then_some((name, value, rest))
}

fn as_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(as_u32(bytes, at)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut list = Vec::new();
        for (name, value) in headers {
            list.push(u8::try_from(name.len()).unwrap());
            list.extend(name.as_bytes());
            list.push(TEXT);
            list.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            list.extend(value.as_bytes());
        }
        let length = u32::try_from(PRELUDE + list.len() + payload.len() + TRAILER).unwrap();
        let mut frame = Vec::new();
        frame.extend(length.to_be_bytes());
        frame.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        frame.extend(crc32fast::hash(&frame).to_be_bytes());
        frame.extend(list);
        frame.extend(payload);
        frame.extend(crc32fast::hash(&frame).to_be_bytes());
        frame
    }

    #[test]
    fn a_frame_is_read_once_it_is_whole() {
        let bytes = encoded(&[(":message-type", "event"), (":event-type", "messageStop")], b"{}");
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut}");
        }
        let whole = Frame { name: "messageStop".to_owned(), is_exception: false, payload: b"{}".to_vec() };
        assert_eq!(parse(&[bytes.as_slice(), b"more"].concat()), Ok(Some((whole, bytes.len()))));
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = encoded(&[(":message-type", "exception"), (":exception-type", "throttlingException")], b"{}");
        assert!(parse(&bytes).unwrap().unwrap().0.is_exception);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(parse(&damaged).is_err(), "{at}");
        }
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
