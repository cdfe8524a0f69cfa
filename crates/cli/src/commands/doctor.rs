//! `symbolon doctor`

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use indicatif::HumanBytes;
use serde::Serialize;
use serde_json::json;
use symbolon_node::client::{self, ProbePlan, ProbeReport};
use symbolon_node::control_client::ControlClient;
use symbolon_node::home::Home;
use symbolon_node::store::{AgreementState, PeerRecord};
use symbolon_policy::Anchor;
use symbolon_policy::cedar::DEFAULT_NAME;

use super::{Context, hex_start};
use crate::args::DoctorArgs;
use crate::exit::{Exit, Failure};
use crate::output::Report;

const DISK_FAIL_BYTES: u64 = 100 << 20;
const DISK_WARN_BYTES: u64 = 2 << 30;
const ROUND_TRIPS: u32 = 5;
const CLOCK_WARN_SECONDS: i64 = 5;
const MEBIBYTE: f64 = 1_048_576.0;
const AGREEMENT_WARN_DAYS: i64 = 14;
const CERTIFICATE_WARN_DAYS: i64 = 30;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
}

/// One check: what was looked at, what was found, what to do.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    about: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl Check {
    fn ok(check: &'static str, about: impl Into<String>, found: impl Into<String>) -> Self {
        let (about, found) = (about.into(), found.into());
        Self { check, about, state: State::Ok, found, repair: None, exit: Exit::Environment }
    }

    fn warning(self, repair: impl Into<String>) -> Self {
        Self { state: State::Warning, repair: Some(repair.into()), ..self }
    }

    fn failed(self, exit: Exit, repair: impl Into<String>) -> Self {
        Self { state: State::Failed, repair: Some(repair.into()), exit, ..self }
    }

    fn of(check: &'static str, about: impl Into<String>, failure: Failure) -> Self {
        Self::ok(check, about, failure.message).failed(failure.exit, failure.hint.unwrap_or_default())
    }
}

pub(crate) async fn run(args: DoctorArgs, context: &Context) -> Result<Report, Failure> {
    let mut checks = vec![disk(&context.home)];
    match context.open().await {
        Ok(home) => {
            checks.push(Check::ok("keys", "keys and configuration", "readable by their owner only, and consistent"));
            checks.push(keys_at_rest(&home)?);
            checks.extend(permissions(&context.home));
            checks.push(policies(&home).await?);
            checks.push(own_certificate(&home)?);
            checks.extend(cards(&home).await?);
            checks.push(running(&home).await);
            checks.extend(tables(&home).await?);
            checks.extend(agreements(&home).await?);
            if !args.offline {
                for peer in wanted_peers(&home, args.peer.as_deref()).await? {
                    context.output.note(&format!("looking at {} ({})", peer.name, peer.endpoint));
                    checks.extend(peer_checks(&home, &peer, args.probe_mib).await);
                }
            }
        }
        Err(failure) => checks.push(Check::of("home", context.home.display().to_string(), failure)),
    }
    conclude(&checks, context)
}

fn conclude(checks: &[Check], context: &Context) -> Result<Report, Failure> {
    let human: String = checks.iter().map(line).collect();
    let failed = checks.iter().filter(|check| check.state == State::Failed).count();
    let warnings = checks.iter().filter(|check| check.state == State::Warning).count();
    let json = json!({ "checks": checks, "failed": failed, "warnings": warnings });
    let Some(first) = checks.iter().find(|check| check.state == State::Failed) else {
        let end = if warnings == 0 { "all is well" } else { "nothing failed" };
        return Ok(Report::new(format!("{human}\n{end}, {warnings} warnings\n"), json));
    };
    if !context.output.is_json() {
        context.output.stdout(&human)?;
    }
    let message = format!("{failed} of {} checks failed: {}: {}", checks.len(), first.about, first.found);
    let failure = Failure::new(first.exit, "CHECKS_FAILED", message);
    Err(failure.hint(first.repair.clone().unwrap_or_default()).details(json))
}

fn line(check: &Check) -> String {
    let mark = match check.state {
        State::Ok => "ok     ",
        State::Warning => "warning",
        State::Failed => "FAILED ",
    };
    let repair = check.repair.as_ref().map(|repair| format!("         -> {repair}\n")).unwrap_or_default();
    format!("{mark}  {}: {}\n{repair}", check.about, check.found)
}

fn disk(home: &Path) -> Check {
    // Before `init` the directory above is what will be written to.
    let place = if home.exists() { home } else { home.parent().unwrap_or(home) };
    let about = format!("disk of {}", place.display());
    let space = match rustix::fs::statvfs(place) {
        Ok(space) => space,
        Err(error) => {
            return Check::ok("disk", about, error.to_string())
                .failed(Exit::Environment, "check that the disk is mounted");
        }
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let check = Check::ok("disk", about, format!("{} free", HumanBytes(free)));
    let repair = "free some space: results and spilled frames are written there";
    match free {
        ..DISK_FAIL_BYTES => check.failed(Exit::Environment, repair),
        DISK_FAIL_BYTES..DISK_WARN_BYTES => check.warning(repair),
        _ => check,
    }
}

/// How the private keys lie on the disk.
fn keys_at_rest(home: &Home) -> Result<Check, Failure> {
    let protection = home.key_protection()?;
    let found = match (protection.protection, protection.in_token) {
        ("plain", _) => "plain, protected by file permissions alone".to_owned(),
        (_, true) => "in the token".to_owned(),
        (word, false) => format!("sealed ({word})"),
    };
    let check = Check::ok("keys_at_rest", "private keys", found);
    Ok(if protection.open {
        check.warning("the keys lie open after a change that was cut short: repeat `symbolon key protect`")
    } else {
        check
    })
}

/// The directories others should not look into. The key files themselves are refused at opening when exposed.
fn permissions(home: &Path) -> Vec<Check> {
    let look = |path: &Path| {
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        let check = Check::ok("permissions", path.display().to_string(), format!("mode {mode:o}"));
        let repair = format!("chmod 700 {}", path.display());
        Some(if mode & 0o077 == 0 { check } else { check.warning(repair) })
    };
    let mut checks: Vec<_> = ["keys", "results"].iter().filter_map(|name| look(&home.join(name))).collect();
    checks.extend(policies_kept(&home.join("policies")));
    checks
}

/// Who may write a policy decides what this node permits. Nothing when there is no directory or all is well.
fn policies_kept(directory: &Path) -> Option<Check> {
    let writable = |path: &Path| {
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        let check = Check::ok("permissions", path.display().to_string(), format!("mode {mode:o}"));
        let repair = format!("others can change policies: chmod go-w {}", path.display());
        (mode & 0o022 != 0).then(|| check.warning(repair))
    };
    let files = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    std::iter::once(directory.to_path_buf()).chain(files).find_map(|path| writable(&path))
}

/// Whether the files of policies can be used; what is in force now may be an earlier state of them.
async fn policies(home: &Home) -> Result<Check, Failure> {
    let checked = home.policy_check(None).await?;
    Ok(match (checked.set, checked.problems.as_slice()) {
        (Some(set), _) => {
            let own = set.policies.iter().filter(|policy| policy.file != DEFAULT_NAME).count();
            let found = format!("{own} of this house fit the schema, set {}", &set.digest[..16]);
            Check::ok("policies", "policies", found)
        }
        (None, problems) => {
            let found = problems.first().map(ToString::to_string).unwrap_or_default();
            let repair = "correct it, see `symbolon policy check`; a running node keeps the policies it had";
            Check::ok("policies", "policies", found).failed(Exit::Environment, repair)
        }
    })
}

/// The node's own certificate: its age and its end.
fn own_certificate(home: &Home) -> Result<Check, Failure> {
    let (keys, now) = (home.keys(), home.clock().now());
    let (age, left) = ((now - keys.tls().not_before()).num_days(), (keys.tls().not_after() - now).num_days());
    let id = home.node_info()?.spiffe_id;
    let found = format!("{age} days old, {left} days left, {}", if id.is_empty() { "no SPIFFE id" } else { &id });
    let check = Check::ok("certificate", "certificate of this node", found);
    let repair = "put a new one in its place: symbolon key rotate tls";
    Ok(if keys.tls().not_after() <= now {
        check.failed(Exit::Environment, repair)
    } else if left < CERTIFICATE_WARN_DAYS && keys.tls().anchor() == Anchor::Leaf {
        check.warning(repair)
    } else {
        check
    })
}

/// Partners that have not taken the present card of this node.
async fn cards(home: &Home) -> Result<Vec<Check>, Failure> {
    let waiting = home.cards_waiting().await?;
    Ok(waiting
        .into_iter()
        .map(|partner| {
            let found = format!("not taken yet ({})", partner.reason.unwrap_or("not tried"));
            let repair = "the node goes on trying while it runs; or give the partner: symbolon peer card";
            Check::ok("card", format!("our present card at {}", partner.peer), found).warning(repair)
        })
        .collect())
}

async fn running(home: &Home) -> Check {
    let socket = home.settings().control_socket();
    match ControlClient::connect(socket).await {
        Ok(_) => Check::ok("node", "node", format!("runs, control socket {}", socket.display())),
        Err(_) => Check::ok("node", "node", "does not run on this home").warning("start it: symbolon serve"),
    }
}

async fn tables(home: &Home) -> Result<Vec<Check>, Failure> {
    let tables = home.table_list().await?;
    Ok(tables
        .iter()
        .map(|table| {
            let about = format!("table {}", table.name);
            match std::fs::File::open(&table.spec.path) {
                Ok(_) => Check::ok("table", about, format!("{} can be read", table.spec.path.display())),
                Err(error) => Check::ok("table", about, format!("{}: {error}", table.spec.path.display()))
                    .failed(Exit::BadInput, "put the file back, or: symbolon table add --replace"),
            }
        })
        .collect())
}

async fn agreements(home: &Home) -> Result<Vec<Check>, Failure> {
    let now = home.clock().now().timestamp();
    let views = home.agreement_list().await?;
    let active = views.iter().filter(|view| view.record.state == AgreementState::Active);
    Ok(active
        .map(|view| {
            let about = format!("agreement \"{}\"", view.record.title);
            let found = format!("until {}, {} of {} jobs spent", view.valid_until, view.spent.runs, view.runs_max);
            let check = Check::ok("agreement", about, found);
            let until = view.valid_until.parse::<symbolon_policy::Timestamp>().map_or(i64::MAX, |at| at.unix_seconds());
            let again = "draft and sign a new one with the partner";
            if until <= now || view.spent.runs >= view.runs_max {
                check.warning(format!("it permits no further job: {again}"))
            } else if until - now < AGREEMENT_WARN_DAYS * 86_400 {
                check.warning(format!("it ends soon: {again}"))
            } else {
                check
            }
        })
        .collect())
}

async fn wanted_peers(home: &Home, name: Option<&str>) -> Result<Vec<PeerRecord>, Failure> {
    Ok(match name {
        Some(name) => vec![home.peer_show(name).await?],
        None => home.peer_list().await?,
    })
}

async fn peer_checks(home: &Home, peer: &PeerRecord, mebibytes: u32) -> Vec<Check> {
    let plan = ProbePlan { round_trips: ROUND_TRIPS, bytes: u64::from(mebibytes) << 20 };
    match client::probe(home, peer, plan).await {
        Ok(report) => reached(peer, &report),
        Err(error) => vec![Check::of("tls", format!("{} at {}", peer.name, peer.endpoint), error.into())],
    }
}

fn reached(peer: &PeerRecord, report: &ProbeReport) -> Vec<Check> {
    let name = &peer.name;
    let connected =
        format!("{}, certificate as on its card, connected in {}", report.tls_version, millis(report.connect));
    let skew = (report.peer_time - report.own_time).num_seconds();
    let clock = Check::ok("clock", format!("clock of {name}"), format!("{skew} s from ours"));
    let release = Check::ok(
        "release",
        format!("release of {name}"),
        format!("{}, normaliser {}", report.software, report.normaliser_version),
    );
    vec![
        Check::ok("tls", format!("{name} at {}", peer.endpoint), connected),
        if skew.abs() > CLOCK_WARN_SECONDS { clock.warning("set both clocks by NTP") } else { clock },
        posture(name, report),
        certificate(name, report),
        if report.normaliser_version == symbolon_tables::NORMALISER_VERSION {
            release
        } else {
            release.warning("bring both nodes to the same release: keys are normalised by other rules there")
        },
        Check::ok("round_trip", format!("round trip to {name}"), millis(report.round_trip_min)),
        Check::ok(
            "bandwidth",
            format!("bandwidth to {name}"),
            format!(
                "{:.1} MiB/s out, {:.1} MiB/s in",
                report.upload_bytes_per_second / MEBIBYTE,
                report.download_bytes_per_second / MEBIBYTE
            ),
        ),
    ]
}

/// The program and settings the partner declares, beside those of the last time.
fn posture(name: &str, report: &ProbeReport) -> Check {
    let about = format!("program of {name}");
    let Some(posture) = report.posture else {
        return Check::ok("posture", about, "not declared").warning("update the partner's node");
    };
    let short = |digest: [u8; 32]| hex_start(&digest);
    let found = format!("{}, settings {}", short(posture.build), short(posture.config));
    match report.posture_before.map(|before| before.posture) {
        Some(before) if before.build != posture.build => {
            let found = format!("{found}; before {}", short(before.build));
            Check::ok("posture", about, found).warning("another program than the last time: ask the partner why")
        }
        Some(before) if before.config != posture.config => {
            let repair = "other settings than the last time: ask the partner why";
            Check::ok("posture", about, found).warning(repair)
        }
        _ => Check::ok("posture", about, found),
    }
}

fn certificate(name: &str, report: &ProbeReport) -> Check {
    let days = (report.certificate.not_after - report.own_time.timestamp()).div_euclid(86_400);
    let check = Check::ok("certificate", format!("certificate of {name}"), format!("holds for {days} more days"));
    if days < CERTIFICATE_WARN_DAYS { check.warning("ask the partner to renew it") } else { check }
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_says_what_to_do() {
        let check = Check::ok("disk", "disk of /x", "1 MiB free").failed(Exit::Environment, "free some space");
        assert_eq!(line(&check), "FAILED   disk of /x: 1 MiB free\n         -> free some space\n");
    }

    #[test]
    fn policies_that_others_can_write_are_pointed_out() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("own.cedar");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(policies_kept(home.path()).is_none());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o664)).unwrap();
        assert_eq!(policies_kept(home.path()).unwrap().state, State::Warning);
        assert!(policies_kept(&home.path().join("none")).is_none());
    }

    #[test]
    fn a_disk_that_is_not_there_fails() {
        assert_eq!(disk(Path::new("/nonexistent/home")).state, State::Failed);
    }
}
