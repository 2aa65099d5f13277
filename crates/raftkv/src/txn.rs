//! `raftkv txn`: a transaction out of a file or standard input, and what it came to.

mod blocks;
mod show;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use client::Txn;

use crate::args::TxnArgs;
use crate::failure::Failure;
use crate::kv::connect;

/// More than the largest request that members take.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// Does the transaction. That the other list was done is a negative answer, printed all the same.
pub(crate) async fn run(args: TxnArgs, out: &mut impl Write) -> Result<(), Failure> {
    let txn = understand(&read(args.file.as_deref())?)?;
    let done = connect(&args.connect)?.txn(&txn).await?;
    show::done(&txn, &done, args.connect.output, out)?;
    if done.succeeded {
        return Ok(());
    }
    let message = "a comparison does not hold: what was to be done otherwise is done";
    Err(Failure::Negative(message.to_owned()))
}

/// JSON begins with a brace, which no line of the other form does.
fn understand(text: &[u8]) -> Result<Txn, Failure> {
    if text.trim_ascii_start().starts_with(b"{") {
        return Ok(Txn::from_json(text)?);
    }
    let text = str::from_utf8(text).map_err(|_| {
        Failure::Usage("this is no transaction: it is no UTF-8; write bytes as \\xff".to_owned())
    })?;
    blocks::read(text)
        .map_err(|wrong| Failure::Usage(format!("line {}: {}", wrong.line, wrong.reason)))
}

fn read(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match file.filter(|file| *file != Path::new("-")) {
        None => read_from(io::stdin(), "standard input"),
        Some(file) => {
            let name = file.display().to_string();
            let opened = File::open(file);
            read_from(opened.map_err(|error| Failure::Usage(format!("{name}: {error}")))?, &name)
        }
    }
}

fn read_from(source: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = source.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        let limit = TEXT_BYTES_MAX >> 20;
        return Err(Failure::Usage(format!("{name}: longer than {limit} MiB")));
    }
    Ok(bytes)
}
