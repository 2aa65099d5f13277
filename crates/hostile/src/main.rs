//! Runs inputs through a target, without a fuzzer; writes the corpora a fuzzer begins with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io, panic};

use hostile::{TARGETS, Target, Verdict};

const USAGE: &str = "\
usage: hostile TARGET FILE...           runs each file through the target
       hostile draw TARGET FROM COUNT   runs inputs that numbers decide, FROM and onwards
       hostile seeds DIRECTORY          writes each target's first inputs to DIRECTORY/<target>/";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [task, directory] if task == "seeds" => write_seeds(Path::new(directory)),
        [task, name, from, count] if task == "draw" => {
            match (Target::named(name), from.parse(), count.parse()) {
                (Some(target), Ok(from), Ok(count)) => draw(target, from, count),
                _ => return usage(),
            }
        }
        [name, files @ ..] if !files.is_empty() => match Target::named(name) {
            Some(target) => run(target, files),
            None => return usage(),
        },
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    eprintln!("{USAGE}\ntargets: {}", names.join(", "));
    ExitCode::from(2)
}

/// A panic is the finding: it ends the program with its message.
fn run(target: &Target, files: &[String]) -> io::Result<()> {
    for file in files {
        let verdict = (target.run)(&fs::read(file)?);
        println!("{file}: {verdict:?}");
    }
    Ok(())
}

/// What the plain tests do, for as long as one likes. Where it panics, the input is in a file.
fn draw(target: &Target, from: u64, count: u64) -> io::Result<()> {
    let input = target.inputs();
    let mut accepted = 0;
    for number in from..from.saturating_add(count) {
        let bytes = input(number);
        let verdict = panic::catch_unwind(|| (target.run)(&bytes)).or_else(|_| {
            let path = format!("{}-{number}", target.name);
            fs::write(&path, &bytes)?;
            Err(io::Error::other(format!("input {number} is a finding: {path}")))
        })?;
        accepted += u64::from(verdict == Verdict::Accepted);
    }
    println!("{}: {count} inputs, of which {accepted} were accepted", target.name);
    Ok(())
}

fn write_seeds(directory: &Path) -> io::Result<()> {
    for target in TARGETS {
        let place: PathBuf = directory.join(target.name);
        fs::create_dir_all(&place)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(place.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
