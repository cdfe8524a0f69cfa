//! The configuration file `node.toml` and its checked form.
//!
//! The file is parsed strictly (an unknown key is an error) and turned into [`Settings`], which hold only values the
//! node can work with. Every limit stands in the file that `symbolon init` writes, with its default and a comment.
//! A few values can be overridden by environment variables: [`HOME_VARIABLE`], [`LISTEN_VARIABLE`],
//! [`ADVERTISE_VARIABLE`], [`LOG_VARIABLE`] and [`LOG_FORMAT_VARIABLE`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use symbolon_policy::SpiffeId;

use crate::error::{ConfigError, Error};
use crate::files;
use crate::keystore::KeySettings;
use crate::keystore::protection::RawKeys;
use crate::store::AlertRules;

pub use limits::Limits;

mod alerts;
mod limits;
mod template;

/// The home directory, when none is given on the command line.
pub const HOME_VARIABLE: &str = "SYMBOLON_HOME";
/// Overrides `listen`.
pub const LISTEN_VARIABLE: &str = "SYMBOLON_LISTEN";
/// Overrides `advertise`.
pub const ADVERTISE_VARIABLE: &str = "SYMBOLON_ADVERTISE";
/// Overrides `telemetry.filter`.
pub const LOG_VARIABLE: &str = "SYMBOLON_LOG";
/// Overrides `telemetry.format`.
pub const LOG_FORMAT_VARIABLE: &str = "SYMBOLON_LOG_FORMAT";

/// The name of the configuration file in the home directory.
pub const FILE_NAME: &str = "node.toml";

/// The longest path a Unix socket address can hold, without the closing zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where overrides come from.
pub trait Env: Send + Sync {
    /// The value of a variable, when it is set and not empty.
    fn var(&self, name: &str) -> Option<String>;
}

/// The environment of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

impl Env for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned().filter(|value| !value.is_empty())
    }
}

/// The settings of a node, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The home directory.
    pub home: PathBuf,
    /// The institution's name, as it stands in its card and in agreements.
    pub institution: String,
    /// Address and port the peer port listens on.
    pub listen: String,
    /// Host and port under which partners reach the peer port; goes into the card.
    pub advertise: String,
    /// How the node is controlled.
    pub control: ControlSettings,
    /// How the private keys are protected.
    pub keys: KeySettings,
    /// What is logged and how.
    pub telemetry: Telemetry,
    /// What is a sign of probing, and what follows.
    pub alerts: AlertRules,
    /// How the node's own certificate is named and when keys are read anew.
    pub tls: TlsSettings,
    /// Bounds on everything that comes from outside.
    pub limits: Limits,
}

/// How the node's own certificate is named, which certificates are withdrawn, and when all of it is read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The SPIFFE id of the certificates this node makes.
    pub spiffe_id: SpiffeId,
    /// Files of lists of withdrawn certificates.
    pub crl: Vec<PathBuf>,
    /// Time between two looks at the key files and lists, beside the system's notices of changes.
    pub reload: std::time::Duration,
}

/// How the node is controlled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlSettings {
    /// The Unix socket of the control service.
    pub socket: PathBuf,
    /// The TCP port of the control service, when there is one.
    pub tcp: Option<ControlTcp>,
}

/// A control port for named operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlTcp {
    /// Address and port.
    pub listen: String,
    /// PEM certificates of the operators who may connect; nobody else may.
    pub operators: Vec<PathBuf>,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The form of a log line.
    pub format: LogFormat,
    /// The filter in `tracing`'s notation, such as `info` or `symbolon_node=debug,info`.
    pub filter: String,
    /// Where Prometheus may read, on this machine.
    pub metrics: Option<SocketAddr>,
    /// Where traces go: the OTLP endpoint of a collector on this machine.
    pub traces: Option<String>,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    institution: String,
    listen: String,
    advertise: String,
    #[serde(default)]
    control: RawControl,
    #[serde(default)]
    keys: RawKeys,
    #[serde(default)]
    telemetry: RawTelemetry,
    #[serde(default)]
    alerts: alerts::RawAlerts,
    #[serde(default)]
    tls: RawTls,
    #[serde(default)]
    limits: limits::RawLimits,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct RawTls {
    trust_domain: Option<String>,
    node: String,
    crl: Vec<PathBuf>,
    reload_seconds: u64,
}

impl Default for RawTls {
    fn default() -> Self {
        Self { trust_domain: None, node: crate::keys::NODE_NAME.to_owned(), crl: Vec::new(), reload_seconds: 5 }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawControl {
    #[serde(default = "default_socket")]
    socket: PathBuf,
    #[serde(default)]
    tcp: Option<RawControlTcp>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawControlTcp {
    listen: String,
    operators: Vec<PathBuf>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct RawTelemetry {
    format: LogFormat,
    filter: String,
    metrics: Option<RawMetrics>,
    traces: Option<RawTraces>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawMetrics {
    listen: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawTraces {
    endpoint: String,
}

impl Default for RawControl {
    fn default() -> Self {
        Self { socket: default_socket(), tcp: None }
    }
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned(), metrics: None, traces: None }
    }
}

fn default_socket() -> PathBuf {
    PathBuf::from("control.sock")
}

impl Settings {
    /// Reads `<home>/node.toml` and applies the overrides.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`] when there is no such file; otherwise what is wrong with it.
    pub fn load(home: &Path, env: &dyn Env) -> Result<Self, Error> {
        let path = home.join(FILE_NAME);
        if !path.is_file() {
            return Err(ConfigError::NoHome { home: home.to_path_buf() }.into());
        }
        Self::from_toml(&files::read_text(&path, FILE_BYTES_MAX)?, home, env)
    }

    /// Parses and checks the text of a configuration file; relative paths are taken from `home`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the line, key or variable that is wrong.
    pub fn from_toml(text: &str, home: &Path, env: &dyn Env) -> Result<Self, Error> {
        let raw: RawConfig = toml::from_str(text).map_err(|source| ConfigError::Syntax { source })?;
        Ok(Self::check(raw, home, env)?)
    }

    /// The text of a configuration file with every setting and its default written out.
    #[must_use]
    pub fn template(institution: &str, listen: &str, advertise: &str) -> String {
        template::render(institution, listen, advertise)
    }

    /// The state database.
    #[must_use]
    pub fn state_db(&self) -> PathBuf {
        self.home.join("state.db")
    }

    /// The directory of the key files.
    #[must_use]
    pub fn keys_dir(&self) -> PathBuf {
        self.home.join("keys")
    }

    /// The directory of the results.
    #[must_use]
    pub fn results_dir(&self) -> PathBuf {
        self.home.join("results")
    }

    /// The directory of the evidence log.
    #[must_use]
    pub fn audit_dir(&self) -> PathBuf {
        self.home.join("audit")
    }

    /// The directory of spilled frames of running jobs.
    #[must_use]
    pub fn spill_dir(&self) -> PathBuf {
        self.home.join("spill")
    }

    /// The Unix socket of the control service.
    #[must_use]
    pub fn control_socket(&self) -> &Path {
        &self.control.socket
    }

    fn check(raw: RawConfig, home: &Path, env: &dyn Env) -> Result<Self, ConfigError> {
        check_institution(&raw.institution)?;
        let listen = override_address(env, LISTEN_VARIABLE, raw.listen, ("listen", is_listen_address))?;
        let advertise = override_address(env, ADVERTISE_VARIABLE, raw.advertise, ("advertise", is_endpoint))?;
        let socket = home.join(raw.control.socket);
        if socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            let expected = "a path of at most 107 bytes, home directory included";
            return Err(ConfigError::Value { key: "control.socket", expected });
        }
        let tcp = raw.control.tcp.map(|tcp| check_tcp(tcp, home)).transpose()?;
        let format = match env.var(LOG_FORMAT_VARIABLE).as_deref() {
            None => raw.telemetry.format,
            Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(_) => return Err(ConfigError::Variable { name: LOG_FORMAT_VARIABLE, expected: "text or json" }),
        };
        let filter = env.var(LOG_VARIABLE).unwrap_or(raw.telemetry.filter);
        let metrics = raw.telemetry.metrics.map(|metrics| loopback("telemetry.metrics.listen", &metrics.listen));
        let traces = raw.telemetry.traces.map(|traces| check_endpoint(traces.endpoint));
        let (metrics, traces) = (metrics.transpose()?, traces.transpose()?);
        Ok(Self {
            home: home.to_path_buf(),
            institution: raw.institution,
            listen,
            control: ControlSettings { socket, tcp },
            keys: raw.keys.check(home)?,
            telemetry: Telemetry { format, filter, metrics, traces },
            alerts: raw.alerts.try_into()?,
            tls: check_tls(raw.tls, home, &advertise)?,
            advertise,
            limits: raw.limits.try_into()?,
        })
    }
}

/// Checks a name that goes into certificates, cards and agreements.
pub(crate) fn check_institution(name: &str) -> Result<(), ConfigError> {
    let expected = "a name of 1 to 64 visible characters, without blanks at its ends";
    match symbolon_policy::Name::new(name) {
        Ok(_) => Ok(()),
        Err(_) => Err(ConfigError::Value { key: "institution", expected }),
    }
}

/// Splits `host:port`, taking the brackets off an IPv6 address.
#[must_use]
pub fn split_endpoint(endpoint: &str) -> Option<(&str, u16)> {
    let (host, port) = endpoint.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match bare {
        Some(address) => address,
        None if host.contains(':') => return None,
        None => host,
    };
    let plain = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    plain.then_some((host, port))
}

fn override_address(
    env: &dyn Env,
    name: &'static str,
    file_value: String,
    (key, valid): (&'static str, fn(&str) -> bool),
) -> Result<String, ConfigError> {
    let expected = "host:port, such as bank.example:7443 or [::1]:7443";
    match env.var(name) {
        Some(value) if valid(&value) => Ok(value),
        Some(_) => Err(ConfigError::Variable { name, expected }),
        None if valid(&file_value) => Ok(file_value),
        None => Err(ConfigError::Value { key, expected }),
    }
}

/// Port 0 is allowed here: the system then chooses one.
fn is_listen_address(text: &str) -> bool {
    split_endpoint(text).is_some()
}

/// An address partners can reach, as a card may carry it.
fn is_endpoint(text: &str) -> bool {
    text.parse::<symbolon_policy::Endpoint>().is_ok()
}

/// An address of this machine only: what is served or sent there is not encrypted.
fn loopback(key: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    let expected = "a loopback address with a port, such as 127.0.0.1:9464";
    let address = text.parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback());
    address.ok_or(ConfigError::Value { key, expected })
}

fn check_endpoint(endpoint: String) -> Result<String, ConfigError> {
    let key = "telemetry.traces.endpoint";
    let expected = "http:// and a loopback address with a port, such as http://127.0.0.1:4317";
    let address = endpoint.strip_prefix("http://").ok_or(ConfigError::Value { key, expected })?;
    loopback(key, address)?;
    Ok(endpoint)
}

fn check_tls(tls: RawTls, home: &Path, advertise: &str) -> Result<TlsSettings, ConfigError> {
    let host = split_endpoint(advertise).map_or("", |(host, _)| host);
    let domain = tls.trust_domain.unwrap_or_else(|| SpiffeId::trust_domain_of_host(host));
    let spiffe_id = SpiffeId::of_node(&domain, &tls.node).map_err(|_| ConfigError::Value {
        key: "tls.trust_domain or tls.node",
        expected: "lower case letters, digits, dots, dashes and underscores; the node's name may have capitals",
    })?;
    if !(1..=3600).contains(&tls.reload_seconds) {
        return Err(ConfigError::Value { key: "tls.reload_seconds", expected: "1 to 3600" });
    }
    Ok(TlsSettings {
        spiffe_id,
        crl: tls.crl.into_iter().map(|path| home.join(path)).collect(),
        reload: std::time::Duration::from_secs(tls.reload_seconds),
    })
}

fn check_tcp(tcp: RawControlTcp, home: &Path) -> Result<ControlTcp, ConfigError> {
    if !is_listen_address(&tcp.listen) {
        return Err(ConfigError::Value { key: "control.tcp.listen", expected: "host:port" });
    }
    if tcp.operators.is_empty() {
        let expected = "at least one operator certificate; a control port nobody may use is no port";
        return Err(ConfigError::Value { key: "control.tcp.operators", expected });
    }
    Ok(ControlTcp { listen: tcp.listen, operators: tcp.operators.into_iter().map(|path| home.join(path)).collect() })
}

#[cfg(test)]
mod tests;
