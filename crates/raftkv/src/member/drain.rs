//! `raftkv member drain`: asks until a member may be stopped, if it is told to wait.

use std::io::Write;
use std::time::{Duration, Instant};

use client::{Client, Drained, Error};
use tokio::time::sleep;

use crate::args::{ConnectArgs, Format};
use crate::failure::Failure;
use crate::kv::connect;
use crate::render::json_line;

/// From one question to the next.
const ASK_INTERVAL: Duration = Duration::from_millis(300);

/// Refusals that time puts right: of these, whoever waits asks again.
const PASSING: [&str; 4] =
    ["member_draining", "member_down", "member_behind", "change_in_progress"];

pub(super) async fn run(
    member: &str,
    wait: Option<Duration>,
    args: &ConnectArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = connect(args)?;
    let drained = match wait {
        None => client.drain_member(member).await?,
        Some(patience) => settled(&client, member, patience).await?,
    };
    match args.output {
        Some(Format::Json) => json_line(&drained, out)?,
        Some(Format::Plain) => writeln!(out, "{}", drained.member)?,
        None | Some(Format::Table) => writeln!(out, "{}", in_words(member, &drained))?,
    }
    Ok(())
}

/// Asks until the member may be stopped.
async fn settled(client: &Client, member: &str, patience: Duration) -> Result<Drained, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        let answer = client.drain_member(member).await;
        let not_yet: Failure = match answer {
            Ok(drained) if drained.safe_to_stop => return Ok(drained),
            Ok(_) => Failure::Unavailable(format!("{member} still leads: nobody takes over")),
            Err(error) if !is_passing(&error) => return Err(error.into()),
            Err(error) => error.into(),
        };
        if Instant::now() + ASK_INTERVAL >= deadline {
            return Err(not_yet.after(&format!("waited {} s for that", patience.as_secs())));
        }
        sleep(ASK_INTERVAL).await;
    }
}

fn is_passing(error: &Error) -> bool {
    let refused = error.code().is_some_and(|code| PASSING.contains(&code));
    // To ask twice does no harm.
    refused || matches!(error, Error::Unavailable { .. } | Error::Unknown { .. })
}

fn in_words(member: &str, drained: &Drained) -> String {
    let writes = match drained.writes_go_on {
        true => "writes go on without it",
        false => "WRITES STOP until it is back: the others are no majority",
    };
    match drained.safe_to_stop {
        true => format!("{member} is drained and may be stopped; {writes}"),
        false => format!(
            "{member} is drained, but leads still and is handing over: ask again, or add --wait; \
             {writes}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_waited_for() {
        let refused = |code: &str| Error::Refused {
            status: 409,
            code: code.to_owned(),
            message: String::new(),
        };
        assert!(is_passing(&refused("member_down")) && is_passing(&refused("member_draining")));
        assert!(!is_passing(&refused("feature_level")), "nothing changes that by itself");
        assert!(is_passing(&Error::Unknown { reason: String::new() }));
        assert!(!is_passing(&Error::PermissionDenied { message: String::new() }));
    }
}
