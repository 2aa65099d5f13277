//! `raftkv recover --as-single-voter`: after the loss of a majority, one member goes on alone.

use std::io::Write;

use disk::OsDisk;
use replica::{AloneForecast, FreshIdentity, forecast_alone, go_on_alone};

use super::open;
use crate::args::RecoverArgs;
use crate::failure::Failure;

/// Makes the member of a directory the only one of a new cluster. Without `--yes` it only looks.
pub(crate) fn recover(args: &RecoverArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut directory = open(&args.dir)?;
    let forecast = forecast_alone(&OsDisk, &directory).map_err(negative)?;
    say_what_it_means(&directory.identity().name, &forecast, out)?;
    if !args.yes {
        let message = "nothing was changed: say --yes to do it";
        return Err(Failure::Usage(message.to_owned()));
    }
    let (cluster_id, incarnation) = (draw_long()?, draw_long()?);
    let fresh = FreshIdentity { cluster_id, incarnation, salt: draw()? };
    go_on_alone(&OsDisk, &mut directory, fresh).map_err(negative)?;
    let name = &directory.identity().name;
    writeln!(out, "{name} is now the only member of the new cluster {cluster_id:032x}")?;
    writeln!(
        out,
        "start it as before; let others join it with `raftkv start --join`, each with an \
         empty data directory"
    )?;
    Ok(())
}

fn say_what_it_means(
    name: &str,
    forecast: &AloneForecast,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let AloneForecast { last, commit, lost_to, others } = *forecast;
    let without = others.map_or("the others".to_owned(), |others| format!("{others} others"));
    writeln!(out, "{name} keeps every entry up to {last}, and goes on without {without}.")?;
    writeln!(out, "- Entries up to {commit} are known to be committed.")?;
    if last > commit {
        writeln!(
            out,
            "- Entries {}..={last} may or may not have been acknowledged; they count from \
             now on.",
            commit + 1
        )?;
    }
    writeln!(
        out,
        "- What others acknowledged after entry {last}, and this member never received, \
         is LOST."
    )?;
    if let Some(lost_to) = lost_to {
        writeln!(out, "- This log is damaged: entries up to {lost_to} were here, and are LOST.")?;
    }
    writeln!(
        out,
        "- The cluster gets a new id: members of the old one can neither join nor \
         disturb it."
    )?;
    writeln!(out, "  Make sure that they do not go on by themselves elsewhere.")?;
    Ok(())
}

fn negative(error: impl std::fmt::Display) -> Failure {
    Failure::Negative(error.to_string())
}

fn draw() -> Result<u64, Failure> {
    getrandom::u64().map_err(negative)
}

fn draw_long() -> Result<u128, Failure> {
    Ok(u128::from(draw()?) << 64 | u128::from(draw()?))
}
