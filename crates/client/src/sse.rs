//! Server-sent events, read as they come. Pure: bytes in, messages out.
//!
//! A message counts once its empty line is there. What is begun when the stream ends is dropped.

use crate::Error;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Empty if it is not said.
    pub(crate) event: String,
    /// Lines, joined by newlines.
    pub(crate) data: String,
}

/// What has come, and is no whole message yet.
#[derive(Debug)]
pub(crate) struct Parser {
    /// A message with more bytes than this is refused.
    message_bytes_max: usize,
    bytes: Vec<u8>,
    /// So much of it was looked through for the end of a line.
    seen: usize,
    message: Message,
    has_data: bool,
}

impl Parser {
    pub(crate) fn new(message_bytes_max: usize) -> Parser {
        let message = Message::default();
        Parser { message_bytes_max, bytes: Vec::new(), seen: 0, message, has_data: false }
    }

    /// Takes what has come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.bytes.len() + self.message.data.len() + bytes.len() > self.message_bytes_max {
            let reason = format!("a message of more than {} bytes", self.message_bytes_max);
            return Err(Error::Malformed { reason });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole message; comments are passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Error> {
        let mut begin = 0;
        let message = loop {
            let Some(line_bytes) = self.bytes[self.seen..].iter().position(|byte| *byte == b'\n')
            else {
                self.seen = self.bytes.len();
                break None;
            };
            let end = self.seen + line_bytes;
            let line = std::mem::take(&mut self.bytes);
            let whole = self.line(&line[begin..end]);
            self.bytes = line;
            (begin, self.seen) = (end + 1, end + 1);
            if whole? {
                break Some(std::mem::take(&mut self.message));
            }
        };
        self.bytes.drain(..begin);
        self.seen -= begin;
        Ok(message)
    }

    /// Takes a line; whether a message ends with it.
    fn line(&mut self, line: &[u8]) -> Result<bool, Error> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = str::from_utf8(line).map_err(|_| {
            let reason = "a line of a stream is no text".to_owned();
            Error::Malformed { reason }
        })?;
        if line.is_empty() {
            let has_data = std::mem::take(&mut self.has_data);
            if !has_data {
                self.message = Message::default();
            }
            return Ok(has_data);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // A comment, or what the data says too.
            _ => {}
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": a comment

id: 6
event: open
data: {}

\
                          id: 7
data: {\"a\":[1,
data: 2]}

\
                          : nothing

id: 8
data: cut off";

    fn messages(parser: &mut Parser) -> Vec<(String, String)> {
        let next = || parser.next().unwrap().map(|message| (message.event, message.data));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn messages_come_out_however_the_stream_is_cut() {
        let expected =
            [("open".to_owned(), "{}".to_owned()), (String::new(), "{\"a\":[1,\n2]}".to_owned())];
        for step in 1..STREAM.len() {
            let mut parser = Parser::new(1 << 20);
            let mut found = Vec::new();
            for piece in STREAM.as_bytes().chunks(step) {
                parser.feed(piece).unwrap();
                found.extend(messages(&mut parser));
            }
            assert_eq!(found, expected, "{step} bytes at once");
        }
    }

    #[test]
    fn a_message_without_an_end_is_refused_before_it_fills_the_memory() {
        let mut parser = Parser::new(100);
        parser.feed(&[b'x'; 100]).unwrap();
        assert_eq!(parser.next().unwrap(), None);
        let error = parser.feed(b"x").unwrap_err().to_string();
        assert!(error.contains("more than 100 bytes"), "{error}");
    }

    #[test]
    fn many_lines_of_one_message_count_together() {
        let mut parser = Parser::new(100);
        let fed = (0..30).try_for_each(|_| {
            parser.feed(b"data: 12345\n")?;
            parser.next().map(drop)
        });
        assert!(matches!(fed, Err(Error::Malformed { .. })));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let mut parser = Parser::new(1 << 20);
        parser.feed(b"data: \xff\n").unwrap();
        assert!(matches!(parser.next(), Err(Error::Malformed { .. })));
    }
}
