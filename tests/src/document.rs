//! Documents whose commands are run: what they say is typed, and what they say is printed.
//!
//! In a ```` ```console ```` block a line that begins with `$ ` is a command, and the lines up to
//! the next one are what it prints, where `…` stands for any text. In a ```` ```sh ```` block every
//! line is a command.

/// What stands for any text.
const ANY: char = '…';

/// A command, and what a document says that it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As it is typed.
    pub command: String,
    /// The lines below it.
    pub output: String,
}

/// A block of a document, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Commands with what they print; they share a shell.
    Console(Vec<Step>),
    /// Commands alone.
    Sh(Vec<String>),
}

/// The blocks that hold commands.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match kind {
            "console" => blocks.push(Block::Console(steps(&body))),
            "sh" => blocks.push(Block::Sh(body.into_iter().map(str::to_owned).collect())),
            _ => {}
        }
    }
    blocks
}

fn steps(lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step { command: command.to_owned(), output: String::new() });
            }
            (None, Some(step)) => {
                step.output.push_str(line);
                step.output.push('\n');
            }
            (None, None) => panic!("output before any command: {line}"),
        }
    }
    steps
}

/// Whether `printed` is what `expected` says. Space at the end of either does not count.
pub fn matches(expected: &str, printed: &str) -> bool {
    let mut parts = expected.trim_end().split(ANY);
    let first = parts.next().expect("splitting yields a part");
    let Some(mut rest) = printed.trim_end().strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_their_output_are_found_in_order() {
        let text =
            "text\n```console\n$ a b\none\n\ntwo\n$ c\n```\n```toml\n$ x\n```\n```sh\nd\n```\n";
        let step = |command: &str, output: &str| Step {
            command: command.to_owned(),
            output: output.to_owned(),
        };
        let console = vec![step("a b", "one\n\ntwo\n"), step("c", "")];
        assert_eq!(blocks(text), [Block::Console(console), Block::Sh(vec!["d".to_owned()])]);
    }

    #[test]
    fn dots_stand_for_any_text_and_everything_else_for_itself() {
        for (expected, printed) in [
            ("OK\n", "OK\n"),
            ("", ""),
            ("{\"a\":1,…}\n", "{\"a\":1,\"b\":2}\n"),
            ("…\nlast\n", "first\nsecond\nlast\n"),
            ("node-… leads in term …; good", "node-2 leads in term 7; good"),
            ("…", "anything\nat all"),
            ("…", ""),
        ] {
            assert!(matches(expected, printed), "{expected:?} {printed:?}");
        }
        for (expected, printed) in [
            ("OK", "OK\nmore"),
            ("OK", ""),
            ("", "something"),
            ("{\"a\":1,…}", "{\"a\":2,}"),
            ("a…b…c", "a c"),
            ("…b", "b c"),
        ] {
            assert!(!matches(expected, printed), "{expected:?} {printed:?}");
        }
    }
}
