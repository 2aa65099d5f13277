//! What a user wants to know when the cluster is up.

use std::fmt::Write as _;

use super::plan::{PORT_DEFAULT, Plan, program};

/// `pids` are the members' processes, in order: whoever wants to see a failover kills one.
pub(super) fn banner(
    plan: &Plan,
    leader: Option<&str>,
    pids: &[Option<u32>],
    dashboard: &str,
) -> String {
    let count = plan.member_count();
    let word = if count == 1 { "member" } else { "members" };
    let directory = plan.directory().display();
    let mut text = format!("raftkv dev: {count} {word}, data in {directory}\n\n");
    for (member, pid) in plan.members().zip(pids) {
        let pid = pid.map_or_else(|| "ended".to_owned(), |pid| format!("pid {pid}"));
        let role = if leader == Some(member.name.as_str()) { "  leader" } else { "" };
        let line = format!("  {}  {}  {pid}{role}", member.name, member.endpoint());
        writeln!(text, "{line}").expect("writing to a string does not fail");
    }
    let program = program();
    let first = plan.members().next().map_or(PORT_DEFAULT, |member| member.port);
    let node = match first {
        PORT_DEFAULT => String::new(),
        port => format!(" --node http://localhost:{port}"),
    };
    text + &format!(
        "\nWatch it, and break it by hand:\n\
         \x20 {dashboard}\n\n\
         Try, in another terminal:\n\
         \x20 {program} put db.host \"postgres.internal\"{node}\n\
         \x20 {program} get db.host{node}\n\
         \x20 curl http://localhost:{first}/cluster/status\n\n\
         What the members say is in {directory}/node-N.log. Ctrl-C stops them; the data stays.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::DevArgs;
    use crate::dev::testing::args;

    const DASHBOARD: &str = "http://localhost:8101/#token=1f";

    fn of(args: &DevArgs, leader: Option<&str>, pids: &[Option<u32>]) -> String {
        banner(&Plan::new(args, None, |_| true).unwrap(), leader, pids, DASHBOARD)
    }

    #[test]
    fn it_names_members_leader_dashboard_and_what_to_try() {
        let banner = of(&args(), Some("node-2"), &[Some(11), Some(12), None]);
        assert!(banner.starts_with("raftkv dev: 3 members, data in raftkv-dev\n"), "{banner}");
        assert!(banner.contains("node-2  http://localhost:8002  pid 12  leader\n"), "{banner}");
        assert!(banner.contains("node-3  http://localhost:8003  ended\n"), "{banner}");
        assert!(banner.contains(&format!("  {DASHBOARD}\n")), "{banner}");
        assert!(banner.contains(" put db.host \"postgres.internal\"\n"), "{banner}");
    }

    #[test]
    fn commands_go_to_the_members_wherever_they_are() {
        let elsewhere = DevArgs { port: Some(9001), members: Some(1), ..args() };
        let banner = of(&elsewhere, None, &[Some(11)]);
        assert!(banner.contains("get db.host --node http://localhost:9001\n"), "{banner}");
        assert!(!banner.contains("leader"), "{banner}");
    }
}
