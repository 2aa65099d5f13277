//! What a life is about. Most bugs need several things in the right order, and a life in which
//! everything may happen seldom has them: so most lives have a theme, which turns some faults on,
//! most others off, and sets limits and pace so that its scenes (`scenes.rs`) come often.

use crate::faults::Fault;
use crate::plan::{Plan, Timers, draw_range};
use crate::random::Random;
use crate::time::Span;

/// The time of faults in a life with a theme.
const THEME_CHAOS: Span = Span(9_000_000);

/// What a life is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// Anything.
    Any,
    /// Fast elections, one after the other (`duel.rs`).
    Duel,
    /// Changes of members all the time, and leaders that are lost in the middle of one.
    Members,
    /// Disks that harm what they hold, and starts from them.
    Rot,
    /// Tiny snapshots, and members that need one.
    Snapshots,
}

impl Theme {
    pub(crate) fn draw(random: &mut Random, members: u64) -> Theme {
        let drawn = random.below(1_000);
        match drawn {
            _ if members < 3 => Theme::Any,
            0..230 => Theme::Duel,
            230..390 => Theme::Members,
            390..550 => Theme::Rot,
            550..700 => Theme::Snapshots,
            _ => Theme::Any,
        }
    }
}

impl Plan {
    /// Makes the life one of its theme.
    pub(crate) fn take_up(&mut self, theme: Theme, random: &mut Random) {
        match theme {
            Theme::Any => return,
            Theme::Duel => return self.becomes_duel(random),
            Theme::Members => self.becomes_about_members(random),
            Theme::Rot => self.becomes_about_rot(random),
            Theme::Snapshots => self.becomes_about_snapshots(random),
        }
        self.hunted = 0;
        self.chaos = THEME_CHAOS;
        self.limits.fit();
    }

    /// A life of fast elections, one after the other, with little that disturbs them: what takes
    /// several steps in the right order happens again and again.
    fn becomes_duel(&mut self, random: &mut Random) {
        self.quicken(random);
        self.chaos = THEME_CHAOS;
        self.think = Span::ms(random.pick(&[2, 10, 30]));
        self.limits.message_bytes_max = random.pick(&[60, 60, 60, 400]);
        self.limits.fit();
        self.hunted = 0;
        self.ambient.clear();
        self.strikes.retain(|fault, _| fault.harms_logs());
        self.often(random, 20, 700, &[Fault::DiskSlow]);
        self.often(random, 30, 500, &[Fault::LeaderAsleep]);
        // One that nobody hears has nothing to tell when it wakes.
        let sleeps = self.strikes.contains_key(&Fault::LeaderAsleep) && random.coin();
        self.provoked = if sleeps { [].into() } else { [Fault::LeaderMuted].into() };
        self.often(random, 20, 400, &[Fault::CrashOne, Fault::Swizzle]);
        self.often(random, 20, 300, &[Fault::Crowd, Fault::DiskError, Fault::CrashInDisk]);
        if random.coin() {
            self.often(random, 20, 1_000, &[Fault::Transfer]);
            self.provoked.insert(Fault::OrderDelayed);
        }
        if random.coin() {
            self.provoked.insert(Fault::VoteDelayed);
        }
    }

    fn becomes_about_members(&mut self, random: &mut Random) {
        self.quicken(random);
        self.calm_down(random);
        self.think = Span::ms(random.pick(&[20, 80, 200]));
        self.often(random, 60, 1_000, &[Fault::Membership]);
        self.often(random, 15, 700, &[Fault::LonelyChange]);
        self.often(random, 15, 400, &[Fault::Partition, Fault::DiskSlow, Fault::CrashOne]);
        self.often(random, 15, 200, &[Fault::PowerCutOne, Fault::LinkClogged, Fault::Transfer]);
        self.often(random, 15, 200, &[Fault::ClockJump]);
        if random.chance(300) {
            self.provoked.insert(Fault::LeaderMuted);
        }
    }

    /// A member that has lost too much is lost for good, and the rest of the life is about nothing:
    /// so there are lives in which only that happens which a log mostly survives.
    fn becomes_about_rot(&mut self, random: &mut Random) {
        self.quicken(random);
        self.calm_down(random);
        self.clients = random.between(1, 3);
        self.think = Span::ms(random.pick(&[5, 20]));
        self.limits.snapshots.bytes_min = random.pick(&[1_000, 20_000, 1 << 30, 1 << 30]);
        self.harmed_start_anew = random.pick(&[700, 1_000, 1_000]);
        match random.below(10) {
            0..5 => self.often(random, 90, 1_000, &[Fault::BitFlip]),
            5..7 => self.often(random, 60, 1_000, &[Fault::UnreadableSector]),
            _ => {
                let harms = [Fault::BitFlip, Fault::LostWrite, Fault::MisdirectedWrite];
                self.often(random, 40, 600, &harms);
            }
        }
        self.often(random, 12, 300, &[Fault::SnapshotRot, Fault::LossAlone]);
        self.often(random, 12, 200, &[Fault::PowerCutOne, Fault::CrashOne, Fault::Partition]);
    }

    fn becomes_about_snapshots(&mut self, random: &mut Random) {
        self.quicken(random);
        self.calm_down(random);
        self.clients = random.between(3, 6);
        self.think = Span::ms(random.pick(&[10, 20, 50]));
        self.limits.grow_tails();
        self.limits.snapshots.bytes_min = random.pick(&[200, 500, 1_000]);
        self.limits.snapshots.of_last_percent = 0;
        self.often(random, 15, 800, &[Fault::LongTail]);
        self.often(random, 15, 400, &[Fault::SnapshotRot, Fault::DiskSlow, Fault::CrashOne]);
        self.often(random, 15, 300, &[Fault::PowerCutOne, Fault::CrashInDisk, Fault::Partition]);
        self.often(random, 30, 300, &[Fault::Crowd, Fault::DiskError]);
        if random.coin() {
            self.provoked.insert(Fault::InstallStruck);
        }
    }

    /// Elections and messages take little time, so that a life has many.
    fn quicken(&mut self, random: &mut Random) {
        self.timers = Timers { heartbeat_ms: 30, election_timeout_ms: 150, hurry_ms: None };
        self.delay = draw_range(random, &[50, 200], &[100, 1_000]);
        self.flush = draw_range(random, &[20, 100], &[200, 1_000]);
        self.wake = Span(random.pick(&[0, 0, 200]));
    }

    /// Nothing else happens but what the theme turns on, and in some lives a few lost messages.
    fn calm_down(&mut self, random: &mut Random) {
        self.strikes.clear();
        self.provoked.clear();
        if random.chance(700) {
            self.ambient.clear();
        }
    }

    /// Each of these is on in so many of a thousand lives, and strikes so many times in each.
    fn often(&mut self, random: &mut Random, times: u64, per_mille: u64, faults: &[Fault]) {
        for &fault in faults {
            if random.chance(per_mille) {
                self.strikes.insert(fault, Span(THEME_CHAOS.0 / times));
            }
        }
    }
}
