//! Runs one golden script: verbs in, the cluster's trace out.
//!
//! A script builds its world quietly (commands in parentheses print nothing), does one thing, and
//! shows the whole trace of it:
//!
//! ```text
//! # The sentence that says why this scenario exists.
//! (cluster nodes=3 leader=1)
//! propose 1 a
//! ---
//! 1 appends 2@1
//! 1 writes #3 t1 vote=1 commit=1 [2@1]
//! 1→2 Append t1 prev=1@1 [2@1] commit=1 round=0
//! ```
//!
//! `2@1` is index 2 of term 1. A message is shown when it is sent, struck through when it is
//! lost; what it did is shown when it is delivered. `writes` hands a batch to the disk, `wrote`
//! says that it is durable. Nothing is delivered or written unless a verb says so.
//!
//! | verbs | file |
//! |---|---|
//! | all of them, with a help text each | `verbs.rs` |
//! | time: `tick run late campaign wall` | `clock.rs` |
//! | network: `deliver stabilize drop duplicate delay release` | `wires.rs` |
//! | links and made-up messages: `partition cut heal inject` | `wires.rs` |
//! | processes: `cluster found join crash restart pause resume` | `machines.rs` |
//! | disks: `disk persist answer_read` | `machines.rs` |
//! | clients, shell: `propose change read transfer stream_closed stream_opened` | `requests.rs` |
//! | snapshots: `cut_log send_snapshot deliver_snapshot …` | `snapshots.rs` |
//! | looking: `status log progress members in_flight` | `views.rs` |

mod clock;
mod machines;
mod requests;
mod snapshots;
mod verbs;
mod views;
mod wires;

use std::error::Error;
use std::path::Path;

use goldenscript::Context;

use crate::cluster::Cluster;
use verbs::Verb;

type Outcome = Result<(), Box<dyn Error>>;

/// Runs the script at `path`, and compares.
pub(crate) fn run(path: &Path) -> std::io::Result<()> {
    goldenscript::run(&mut World::default(), path)
}

/// What a script works on.
#[derive(Default)]
struct World {
    cluster: Option<Cluster>,
}

impl World {
    fn cluster(&mut self) -> Result<&mut Cluster, Box<dyn Error>> {
        self.cluster.as_mut().ok_or_else(|| "a script begins with `cluster`".into())
    }
}

impl goldenscript::Runner for World {
    type Command = Verb;

    fn run(&mut self, verb: &Verb, _: &Context) -> Result<String, Box<dyn Error>> {
        match verb {
            Verb::Cluster(settings) => self.cluster = Some(machines::cluster(settings)?),
            verb => verb.act(self.cluster()?)?,
        }
        Ok(self.cluster()?.trace.take())
    }
}
