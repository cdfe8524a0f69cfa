use super::*;

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn parse(text: &str) -> Result<Settings, Error> {
    Settings::from_toml(text, Path::new("/srv/node"), &none())
}

const SHORT: &str = "institution = \"North Bank\"\nlisten = \"0.0.0.0:7443\"\nadvertise = \"bank.example:7443\"\n";

#[test]
fn the_file_written_by_init_gives_the_defaults() {
    let written = Settings::template("North Bank", "0.0.0.0:7443", "bank.example:7443");
    assert_eq!(parse(&written).unwrap(), parse(SHORT).unwrap());
}

#[test]
fn the_file_written_by_init_names_every_limit() {
    let written: toml::Table = toml::from_str(&Settings::template("N", "a:1", "b:2")).unwrap();
    let written = written["limits"].as_table().unwrap();
    let all = toml::Table::try_from(limits::RawLimits::default()).unwrap();
    assert_eq!(written, &all);
    assert_eq!(limits::COMMENTS.len(), all.len());
}

#[test]
fn quotes_in_the_name_survive() {
    let name = "Bank \"of\" the \\ North \u{5317}\u{65b9}";
    assert_eq!(parse(&Settings::template(name, "a:1", "b:2")).unwrap().institution, name);
}

#[test]
fn unknown_keys_are_refused() {
    for extra in ["colour = 1\n", "[limits]\nframes = 3\n", "[control]\ntls = false\n", "[telemetry]\nlevel = \"x\"\n"]
    {
        let error = parse(&format!("{SHORT}{extra}")).unwrap_err();
        assert_eq!(error.reason(), "CONFIG_SYNTAX", "{extra}");
    }
}

#[test]
fn values_out_of_range_name_their_key() {
    for (extra, key) in [
        ("[limits]\njobs_max = 0\n", "limits.jobs_max"),
        ("[limits]\nframe_bytes_max = 2000000\n", "limits.frame_bytes_max"),
        ("[limits]\nmessage_bytes_max = 1048576\n", "limits.message_bytes_max"),
        ("[limits]\nwindow_stream_bytes = 2147483648\n", "limits.window_stream_bytes"),
        ("[limits]\nidle_seconds_max = 0\n", "limits.idle_seconds_max"),
        ("[control.tcp]\nlisten = \"127.0.0.1:1\"\noperators = []\n", "control.tcp.operators"),
        ("[control.tcp]\nlisten = \"127.0.0.1\"\noperators = [\"a\"]\n", "control.tcp.listen"),
    ] {
        let error = parse(&format!("{SHORT}{extra}")).unwrap_err();
        assert_eq!(error.reason(), "CONFIG_VALUE");
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn addresses_and_names_are_checked() {
    let with = |institution: &str, listen: &str| {
        format!("institution = {institution:?}\nlisten = {listen:?}\nadvertise = \"bank.example:7443\"\n")
    };
    assert!(parse(&with("N", "[::1]:7443")).is_ok());
    for listen in ["7443", "a:b", "::1:7443", "host:99999", ":7443", "ho st:1", "http://a:1"] {
        assert!(parse(&with("N", listen)).unwrap_err().to_string().contains("listen"), "{listen}");
    }
    for institution in ["", "  ", " N", "N\n"] {
        assert!(parse(&with(institution, "a:1")).unwrap_err().to_string().contains("institution"));
    }
}

#[test]
fn overrides_win_and_are_checked() {
    let env: BTreeMap<_, _> =
        [(LISTEN_VARIABLE, "127.0.0.1:9"), (LOG_VARIABLE, "debug"), (LOG_FORMAT_VARIABLE, "json")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    let settings = Settings::from_toml(SHORT, Path::new("/srv/node"), &env).unwrap();
    assert_eq!(settings.listen, "127.0.0.1:9");
    assert_eq!(
        settings.telemetry,
        Telemetry { format: LogFormat::Json, filter: "debug".to_owned(), metrics: None, traces: None }
    );
    let wrong = BTreeMap::from([(LISTEN_VARIABLE.to_owned(), "nowhere".to_owned())]);
    let error = Settings::from_toml(SHORT, Path::new("/srv/node"), &wrong).unwrap_err();
    assert!(error.to_string().contains(LISTEN_VARIABLE));
}

#[test]
fn a_socket_path_longer_than_the_system_takes_is_refused() {
    let home = PathBuf::from(format!("/{}", "d".repeat(100)));
    let error = Settings::from_toml(SHORT, &home, &none()).unwrap_err();
    assert!(error.to_string().contains("control.socket"));
}

#[test]
fn a_missing_home_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Settings::load(dir.path(), &none()).unwrap_err().reason(), "NO_HOME");
}

#[test]
fn the_sample_in_examples_parses_and_shows_every_limit() {
    let text = include_str!("../../../../examples/config/node.toml");
    let settings = parse(text).unwrap();
    assert_eq!(settings.limits, parse(SHORT).unwrap().limits);
    let sample: toml::Table = toml::from_str(text).unwrap();
    let all = toml::Table::try_from(limits::RawLimits::default()).unwrap();
    assert_eq!(sample["limits"].as_table().unwrap(), &all);
}

#[test]
fn what_is_not_encrypted_stays_on_this_machine() {
    let with = |section: &str, value: &str| parse(&format!("{SHORT}[telemetry.{section}]\n{value}\n"));
    let metrics = with("metrics", "listen = \"127.0.0.1:9464\"").unwrap().telemetry.metrics;
    assert_eq!(metrics, Some("127.0.0.1:9464".parse().unwrap()));
    let traces = with("traces", "endpoint = \"http://[::1]:4317\"").unwrap().telemetry.traces;
    assert_eq!(traces.as_deref(), Some("http://[::1]:4317"));
    for (section, value, key) in [
        ("metrics", "listen = \"0.0.0.0:9464\"", "telemetry.metrics.listen"),
        ("metrics", "listen = \"localhost:9464\"", "telemetry.metrics.listen"),
        ("traces", "endpoint = \"http://192.0.2.1:4317\"", "telemetry.traces.endpoint"),
        ("traces", "endpoint = \"https://127.0.0.1:4317\"", "telemetry.traces.endpoint"),
    ] {
        let error = with(section, value).unwrap_err();
        assert_eq!(error.reason(), "CONFIG_VALUE");
        assert!(error.to_string().contains(key), "{error}");
    }
}
