//! Faults, in few words for eyes, and with the simulator's own name beside them.

use raft::MemberId;

use crate::faults::Fault;
use crate::life::Life;

/// What was done, and to whom, so that its end can be told too.
#[derive(Clone, Debug)]
pub(crate) struct Struck {
    word: &'static str,
    members: Vec<MemberId>,
}

impl Life {
    /// A fault strikes these members.
    pub(crate) fn tell_fault(&mut self, fault: Fault, members: &[MemberId]) {
        self.tell_word(word_of(fault), members, Some(fault.name()), false);
    }

    /// As above, of a break of the network: its end is told when it is mended.
    pub(crate) fn tell_break(&mut self, number: u64, fault: Fault, members: Vec<MemberId>) {
        let alone = fault == Fault::Partition && members.len() == 1;
        let word = if alone { "isolate" } else { word_of(fault) };
        self.tell_word(word, &members, Some(fault.name()), false);
        self.telling.breaks.insert(number, Struck { word, members });
    }

    pub(crate) fn tell_mended(&mut self, number: u64) {
        if let Some(Struck { word, members }) = self.telling.breaks.remove(&number) {
            self.tell_word(word, &members, None, true);
        }
    }

    pub(crate) fn tell_over(&mut self, fault: Fault, members: &[MemberId]) {
        self.tell_word(word_of(fault), members, Some(fault.name()), true);
    }

    /// All faults end.
    pub(crate) fn tell_heal(&mut self) {
        self.telling.breaks.clear();
        let members = self.remaining();
        self.tell_word("heal", &members, None, false);
    }

    pub(crate) fn tell_word(
        &mut self,
        word: &str,
        members: &[MemberId],
        name: Option<&str>,
        over: bool,
    ) {
        self.trace.event(self.queue.now(), "fault", |line| {
            line.text("fault", word).ids("members", members);
            if let Some(name) = name {
                line.text("name", name);
            }
            if over {
                line.flag("over", true);
            }
        });
    }
}

fn word_of(fault: Fault) -> &'static str {
    match fault {
        Fault::MessageLost | Fault::StreamReset | Fault::Swizzle | Fault::HalfOpen => "drop",
        Fault::MessageDuplicated
        | Fault::MessageReordered
        | Fault::LinkClogged
        | Fault::OrderDelayed
        | Fault::VoteDelayed => "delay",
        Fault::Partition | Fault::PartitionOneWay => "split",
        Fault::LeaderMuted | Fault::LonelyChange | Fault::LongTail | Fault::LossAlone => "isolate",
        Fault::CrashOne
        | Fault::CrashAll
        | Fault::PowerCutOne
        | Fault::PowerCutAll
        | Fault::CrashInDisk
        | Fault::Wipe
        | Fault::InstallStruck => "crash",
        Fault::DiskError
        | Fault::DiskSlow
        | Fault::DiskFull
        | Fault::BitFlip
        | Fault::LostWrite
        | Fault::MisdirectedWrite
        | Fault::UnreadableSector
        | Fault::SnapshotRot => "disk",
        Fault::Pause | Fault::LeaderAsleep => "pause",
        Fault::Transfer | Fault::ClockJump | Fault::Membership | Fault::Crowd => "other",
    }
}
