//! `raftkv top`: the cluster at work, in a terminal.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the loop: what is heard, keys, sizes and signals; a frame after each |
//! | `feed.rs` | events, heard beside the drawing |
//! | `model.rs`, `series.rs`, `recall.rs` | what is known of the cluster, bounded |
//! | `view.rs`, `keys.rs` | what a person has chosen to see of it |
//! | `draw.rs`, `plan.rs`, `table.rs`, `theme.rs` | a frame: a pure function of a view and a size |
//! | `health.rs`, `words.rs` | the cluster's health, and events, in words |
//! | `screen.rs` | the terminal, given back as it was |
//! | `once.rs` | one frame as text or JSON |
//!
//! It changes nothing in the cluster, and asks one member at a time.

mod draw;
mod feed;
mod health;
mod keys;
mod model;
mod once;
mod plan;
mod recall;
mod screen;
mod series;
mod table;
mod theme;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _, Write};

use client::{Error, Heard};
use crossterm::event::{Event, EventStream};
use tokio_stream::StreamExt as _;

use self::feed::Feed;
use self::keys::{Action, action};
use self::screen::Screen;
use self::view::View;
use crate::args::TopArgs;
use crate::failure::Failure;
use crate::kv::connect;
use crate::signals::Signals;

pub(crate) async fn run(args: TopArgs, out: &mut impl Write) -> Result<(), Failure> {
    if !args.once && args.connect.output.is_some() {
        let message = "-o is for one frame: add --once";
        return Err(Failure::Usage(message.to_owned()));
    }
    if !args.once && !io::stdout().is_terminal() {
        let message = "standard output is no terminal; for one frame: raftkv top --once, for a \
                       table of the members: raftkv status";
        return Err(Failure::Usage(message.to_owned()));
    }
    let client = connect(&args.connect)?;
    if args.once {
        return once::run(&client, &args.connect, out).await;
    }
    let mut feed = Feed::start(client.events());
    // Whoever can not be reached at all is told so where an error belongs.
    let first = feed.next().await.unwrap_or_else(|| Err(ended()))?;
    watch(feed, first).await
}

/// Draws until a person or a signal ends it, or no member will ever serve it.
async fn watch(mut feed: Feed, first: Heard) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut view = View::new();
    view.hear(first);
    let mut screen = Screen::open()?;
    let mut input = EventStream::new();
    loop {
        screen.show(&view)?;
        tokio::select! {
            heard = feed.next() => hear(&mut view, heard)?,
            happened = input.next() => {
                let Some(happened) = happened.transpose()? else { return Ok(()) };
                if !view.act(asked(&happened)) {
                    return Ok(());
                }
            }
            () = signals.next() => return Ok(()),
        }
    }
}

/// What a key asks for. Other news of the terminal, as its size, ask for nothing but a frame.
fn asked(happened: &Event) -> Action {
    match happened {
        Event::Key(key) => action(key).unwrap_or(Action::Nothing),
        _ => Action::Nothing,
    }
}

/// That no member serves for now is shown, and waited out.
fn hear(view: &mut View, heard: Option<Result<Heard, Error>>) -> Result<(), Failure> {
    match heard.unwrap_or_else(|| Err(ended())) {
        Ok(heard) => view.hear(heard),
        Err(error @ Error::Unavailable { .. }) => view.lose(&error.to_string()),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// A feed ends with the error that ended it, so nothing is known of one that did not.
fn ended() -> Error {
    Error::Malformed { reason: "its events ended".to_owned() }
}
