//! `raftkv snapshot save`: the file appears only when it is whole, checked and durable.

use std::io::{self, Write};
use std::path::Path;

use disk::OsDisk;
use wal::snapshot::SnapshotReader;

use crate::args::{ConnectArgs, Format};
use crate::aside::Aside;
use crate::failure::Failure;
use crate::kv::connect;
use crate::progress::Progress;
use crate::render::json_line;

pub(super) async fn run(
    file: &Path,
    args: &ConnectArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file(file, &error);
    let mut backup = connect(args)?.backup().await?;
    let mut aside = Aside::create(file).map_err(failed)?;
    let progress = Progress::bytes(None);
    while let Some(bytes) = backup.next().await? {
        aside.write_all(&bytes).map_err(failed)?;
        progress.add(bytes.len() as u64);
    }
    drop(progress);
    // What was written is read back: a stream that ended early shows here, too.
    let draft = aside.sync().map_err(failed)?;
    let checked = SnapshotReader::check(&OsDisk, draft);
    let (meta, bytes) = checked.map_err(|error| {
        Failure::Unavailable(format!(
            "what came is no whole snapshot, and nothing is kept: {error}"
        ))
    })?;
    aside.finish().map_err(failed)?;
    let (term, index) = meta.last;
    match args.output {
        Some(Format::Json) => {
            let cluster_id = format!("{:032x}", meta.cluster_id);
            let body = serde_json::json!({
                "file": file.display().to_string(), "bytes": bytes,
                "index": index, "term": term, "cluster_id": cluster_id,
            });
            json_line(&body, out)?;
        }
        Some(Format::Plain) => writeln!(out, "{index}")?,
        None | Some(Format::Table) => {
            let file = file.display();
            writeln!(out, "saved {file}: {bytes} bytes, up to entry {index} of term {term}")?;
        }
    }
    Ok(())
}
