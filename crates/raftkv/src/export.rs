//! `raftkv export`: keys as lines, all of one revision.

use std::io::{self, Write};
use std::path::Path;

use client::{ListOptions, Listing};

use crate::args::ExportArgs;
use crate::aside::Aside;
use crate::failure::Failure;
use crate::kv::{connect, consistency, moment};
use crate::lines;
use crate::progress::Progress;

/// A file appears whole or not at all.
pub(crate) async fn run(args: ExportArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut listing = connect(&args.connect)?.list(ListOptions {
        prefix: args.prefix.clone().into(),
        consistency: consistency(args.read.stale),
        moment: moment(&args.read),
        ..ListOptions::default()
    });
    match args.file.as_deref().filter(|file| *file != Path::new("-")) {
        None => write(&mut listing, out, Failure::from).await.map(drop),
        Some(file) => {
            let failed = |error: io::Error| Failure::file(file, &error);
            let mut aside = Aside::create(file).map_err(failed)?;
            let (count, revision) = write(&mut listing, &mut aside, failed).await?;
            aside.finish().map_err(failed)?;
            complain!("raftkv: exported {count} keys at revision {revision}");
            Ok(())
        }
    }
}

/// Writes page by page; how many keys, and of which revision.
async fn write(
    listing: &mut Listing,
    out: &mut impl Write,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<(u64, u64), Failure> {
    let progress = Progress::keys();
    let (mut count, mut revision) = (0, 0);
    while let Some(page) = listing.next_page().await? {
        for item in &page.items {
            writeln!(out, "{}", lines::write(item)).map_err(&failed)?;
        }
        count += page.items.len() as u64;
        revision = page.revision.0;
        progress.add(page.items.len() as u64);
    }
    out.flush().map_err(failed)?;
    Ok((count, revision))
}
