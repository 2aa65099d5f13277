//! The words of a line: bare, or in quotes with escapes.

use std::iter::Peekable;
use std::str::Chars;

use bytes::Bytes;

/// A word, as the bytes that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) bytes: Bytes,
    quoted: bool,
}

impl Word {
    /// Its text, if it was written without quotes: only then it may be a verb or an option.
    pub(super) fn plain(&self) -> Option<&str> {
        str::from_utf8(&self.bytes).ok().filter(|_| !self.quoted)
    }
}

/// A piece of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Sign(&'static str),
}

/// What ends a bare word in a comparison, and stands for itself. The longer come first.
const SIGNS: [&str; 7] = ["!=", "==", "(", ")", "=", "<", ">"];

/// Words with blanks between.
pub(super) fn of_operation(line: &str) -> Result<Vec<Word>, String> {
    let mut rest = line.chars().peekable();
    let mut words = Vec::new();
    while let Some(first) = next_visible(&mut rest) {
        words.push(match first {
            '"' => quoted(&mut rest)?,
            _ => bare(&mut rest, |_| false),
        });
    }
    Ok(words)
}

/// Words and signs, with or without blanks between.
pub(super) fn of_comparison(line: &str) -> Result<Vec<Token>, String> {
    let mut rest = line.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(first) = next_visible(&mut rest) {
        tokens.push(match (first, sign(&mut rest)) {
            (_, Some(sign)) => Token::Sign(sign),
            ('"', None) => Token::Word(quoted(&mut rest)?),
            (_, None) => Token::Word(bare(&mut rest, |next| "()=<>!".contains(next))),
        });
    }
    Ok(tokens)
}

fn next_visible(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    while rest.next_if(|next| next.is_whitespace()).is_some() {}
    rest.peek().copied()
}

fn sign(rest: &mut Peekable<Chars<'_>>) -> Option<&'static str> {
    let ahead: String = rest.clone().take(2).collect();
    let found = SIGNS.into_iter().find(|sign| ahead.starts_with(sign))?;
    for _ in found.chars() {
        rest.next();
    }
    Some(found)
}

/// Up to a blank, or to what `ends` says; one character at least.
fn bare(rest: &mut Peekable<Chars<'_>>, ends: impl Fn(char) -> bool) -> Word {
    let mut text: String = rest.next().into_iter().collect();
    while let Some(next) = rest.next_if(|next| !next.is_whitespace() && !ends(*next)) {
        text.push(next);
    }
    Word { bytes: text.into(), quoted: false }
}

fn quoted(rest: &mut Peekable<Chars<'_>>) -> Result<Word, String> {
    rest.next();
    let mut bytes = Vec::new();
    loop {
        match rest.next() {
            None => return Err("a quote has no end in its line".to_owned()),
            Some('"') => return Ok(Word { bytes: bytes.into(), quoted: true }),
            Some('\\') => bytes.push(escaped(rest)?),
            Some(other) => bytes.extend(other.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
}

fn escaped(rest: &mut Peekable<Chars<'_>>) -> Result<u8, String> {
    match rest.next() {
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('t') => Ok(b'\t'),
        Some('"') => Ok(b'"'),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
            byte.ok_or_else(|| "\\x needs two digits of base 16".to_owned())
        }
        Some(other) => Err(format!("\\{other} stands for nothing: \\n \\r \\t \\\" \\\\ \\xff do")),
        None => Err("a quote has no end in its line".to_owned()),
    }
}
