//! `raftkv snapshot restore`: the data directory of a member of a new cluster, out of a backup.
//!
//! Each member of the new cluster makes its own, of the same file and the same list, and nobody
//! speaks to anybody. So ids and incarnations of all members follow from the new cluster's id and
//! their addresses; that id is drawn at random, or given by whoever restores the other members.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use disk::OsDisk;
use raft::MemberId;
use replica::{BackupFile, BackupState, MEMBERS_MAX, Member, RestorePlan, restore};
use server::config::Address;
use wal::DataDirectory;
use xxhash_rust::xxh3::xxh3_128;

use super::{find, inspect};
use crate::args::RestoreArgs;
use crate::failure::Failure;

/// Where a member is reached that is the only one.
const ADDRESS_DEFAULT: &str = "localhost:8001";

pub(super) fn run(args: &RestoreArgs, out: &mut impl Write) -> Result<(), Failure> {
    let seats = seats(args)?;
    let Some(own) = seats.get(&args.node_id) else {
        let name = &args.node_id;
        return Err(Failure::Usage(format!("--peers does not list --node-id {name}")));
    };
    refuse_unless_empty(&args.data)?;
    let cluster_id = match args.cluster_id {
        Some(cluster_id) => cluster_id,
        None => u128::from(draw()?) << 64 | u128::from(draw()?),
    };
    let file = find(&args.file)?;
    if inspect(file)?.meta.cluster_id == cluster_id {
        let message = "--cluster-id is that of the old cluster: a new one must have another";
        return Err(Failure::Usage(message.to_owned()));
    }
    let plan = RestorePlan { cluster_id, members: members(&seats, cluster_id), salt: draw()? };
    let own = identity_of(cluster_id, own);
    let restored = build(args, file, own, &plan)?;
    Ok(say(args, &seats, &plan, &restored, out)?)
}

/// The members' names and addresses.
type Seats = BTreeMap<String, Address>;

fn seats(args: &RestoreArgs) -> Result<Seats, Failure> {
    if args.peers.is_empty() {
        let address = args.advertise.as_deref().unwrap_or(ADDRESS_DEFAULT);
        return Ok([(args.node_id.clone(), parse_address("--advertise", address)?)].into());
    }
    let mut seats = Seats::new();
    for peer in &args.peers {
        let (name, address) = peer.split_once('=').ok_or_else(|| {
            Failure::Usage(format!("--peers {peer:?}: write it as NAME=HOST:PORT, for each member"))
        })?;
        let address = parse_address("--peers", address)?;
        if seats.insert(name.to_owned(), address).is_some() {
            return Err(Failure::Usage(format!("--peers names {name} twice")));
        }
    }
    let addresses: BTreeSet<&Address> = seats.values().collect();
    if addresses.len() < seats.len() {
        return Err(Failure::Usage("--peers has one address twice".to_owned()));
    }
    if seats.len() > MEMBERS_MAX {
        return Err(Failure::Usage(format!(
            "--peers: a cluster has at most {MEMBERS_MAX} members"
        )));
    }
    Ok(seats)
}

fn parse_address(flag: &str, text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|_| {
        Failure::Usage(format!("{flag}: {text:?} is no address; write it as HOST:PORT"))
    })
}

fn members(seats: &Seats, cluster_id: u128) -> BTreeMap<MemberId, Member> {
    let member = |(name, address): (&String, &Address)| {
        let (id, incarnation) = identity_of(cluster_id, address);
        (MemberId(id), Member::voter(incarnation, name.clone(), address.to_string()))
    };
    seats.iter().map(member).collect()
}

/// A member's id and incarnation, as every other member derives them.
fn identity_of(cluster_id: u128, address: &Address) -> (u64, u128) {
    let derive = |what: &str| xxh3_128(format!("{cluster_id:032x} {what} {address}").as_bytes());
    // Neither may be 0.
    ((derive("member") as u64).max(1), derive("incarnation").max(1))
}

/// The directory is built beside its place: it is there as a whole, or not at all.
fn build(
    args: &RestoreArgs,
    file: BackupFile<'_>,
    own: (u64, u128),
    plan: &RestorePlan,
) -> Result<BackupState, Failure> {
    let mut name = OsString::from(&args.data);
    name.push(".restoring");
    let aside = PathBuf::from(name);
    if aside.exists() {
        let message = "an earlier restore left it: remove it, or let that one end";
        return Err(Failure::Negative(format!("{}: {message}", aside.display())));
    }
    let restored = build_in(&aside, args, file, own, plan);
    if restored.is_err() {
        // What made it fail says more than what is left of it.
        let _ = fs::remove_dir_all(&aside);
    }
    restored
}

fn build_in(
    aside: &Path,
    args: &RestoreArgs,
    file: BackupFile<'_>,
    own: (u64, u128),
    plan: &RestorePlan,
) -> Result<BackupState, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Negative(error.to_string());
    let opened = DataDirectory::open(OsDisk, aside, &args.node_id, || own);
    let mut directory = opened.map_err(|error| failed(&error))?;
    let restored = restore(&OsDisk, file, &mut directory, plan);
    let restored = restored.map_err(|error| failed(&error))?;
    drop(directory);
    move_into_place(aside, &args.data).map_err(|error| Failure::file(&args.data, &error))?;
    Ok(restored)
}

/// An empty directory gives way to it.
fn move_into_place(aside: &Path, place: &Path) -> io::Result<()> {
    fs::rename(aside, place)?;
    let parent = place.parent().filter(|parent| *parent != Path::new(""));
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn refuse_unless_empty(directory: &Path) -> Result<(), Failure> {
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_none() {
                return Ok(());
            }
            let path = directory.display();
            let message = "is not empty: a member that is restored begins with nothing";
            Err(Failure::Negative(format!("{path} {message}")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::file(directory, &error)),
    }
}

fn say(
    args: &RestoreArgs,
    seats: &Seats,
    plan: &RestorePlan,
    restored: &BackupState,
    out: &mut impl Write,
) -> io::Result<()> {
    let (name, directory) = (&args.node_id, args.data.display());
    let BackupState { state, .. } = restored;
    writeln!(
        out,
        "{name} is a member of the new cluster {:032x}, in {directory}",
        plan.cluster_id
    )?;
    writeln!(out, "it begins at revision {}, with {} keys", state.revision.0, state.keys)?;
    let others: Vec<&String> = seats.keys().filter(|other| *other != name).collect();
    if others.is_empty() {
        return Ok(());
    }
    writeln!(out, "for each of the others, once and before it is started for the first time:")?;
    let peers: Vec<String> = seats.iter().map(|(name, at)| format!("{name}={at}")).collect();
    for other in others {
        writeln!(
            out,
            "  raftkv snapshot restore {} --data DIR --node-id {other} --peers {} \
             --cluster-id {:032x}",
            args.file.display(),
            peers.join(","),
            plan.cluster_id,
        )?;
    }
    Ok(())
}

fn draw() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::Negative(error.to_string()))
}
