//! Attacks on nodes, over real TLS, by a peer that was written to break the rules.
//!
//! Each attack has a name, says what it tries, and is refused with a documented reason (`symbolon_node::error::describe`
//! knows it) or, where nothing is refused because nothing can be gained, with one of the words of [`report::WORDS`].
//! Around each attack the node that is attacked is compared with itself: agreements, peers, results stay as they are,
//! and runs are spent where an attack begins with a job that was rightly accepted, and nowhere else.
//!
//! `cargo test -p symbolon-tests --test red_team -- --nocapture` prints one line an attack.

#[path = "red_team/answering.rs"]
mod answering;
#[path = "red_team/asking.rs"]
mod asking;
#[path = "red_team/channel.rs"]
mod channel;
#[path = "red_team/evidence.rs"]
mod evidence;
#[path = "red_team/floods.rs"]
mod floods;
#[path = "red_team/frames.rs"]
mod frames;
#[path = "red_team/house.rs"]
mod house;
#[path = "red_team/report.rs"]
mod report;
#[path = "red_team/scene.rs"]
mod scene;
#[path = "red_team/standing.rs"]
mod standing;

use anyhow::Result;

/// Fewer attacks than this are no red team.
const ATTACKS_MIN: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_refused() -> Result<()> {
    let mut report = report::Report::default();
    let groups = [
        ("channel", Box::pin(channel::attacks(&mut report)).await),
        ("asking", Box::pin(asking::attacks(&mut report)).await),
        ("frames", Box::pin(frames::attacks(&mut report)).await),
        ("answering", Box::pin(answering::attacks(&mut report)).await),
        ("evidence", Box::pin(evidence::attacks(&mut report)).await),
        ("standing", Box::pin(standing::attacks(&mut report)).await),
        ("house", Box::pin(house::attacks(&mut report)).await),
        ("floods", Box::pin(floods::attacks(&mut report)).await),
    ];
    for (name, ended) in groups {
        report.group(name, ended);
    }
    report.finish(ATTACKS_MIN)
}
