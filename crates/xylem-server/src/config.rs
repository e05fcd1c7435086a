//! Settings of the management server: what is installed. What administrators change day by day is
//! in the database.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use xylem_client::BaseUrl;
use xylem_http::{DEFAULT_CONNECTIONS, DEFAULT_CONNECTIONS_PER_ADDRESS};

/// The sample file, which is the manual: every setting with its default.
pub const SAMPLE: &str = include_str!("../../../config/server.toml");

/// Bytes of a configuration file.
pub const MAX_CONFIG_BYTES: u64 = 64 << 10;

/// Check-ins of computers are at least this far apart, in seconds.
const MIN_CHECK_IN_SECONDS: u64 = 5;

/// Check-ins of computers are at most this far apart, in seconds: a day.
const MAX_CHECK_IN_SECONDS: u64 = 24 * 60 * 60;

/// Characters of the organisation's name: what fits into a certificate.
const MAX_ORGANIZATION_CHARS: usize = 64;

/// Fewest connections that a setting may allow: one server with a handful of parties.
const MIN_CONNECTIONS: u64 = 16;

/// Most connections that a setting may allow: what one process can have open at once on Linux
/// without further settings of the system.
const MAX_CONNECTIONS: u64 = 1_000_000;

/// Hosts of one's own network that can be named.
const MAX_HOSTS: usize = 32;

const KEYS: [&str; 10] = [
    "data",
    "listen",
    "public_url",
    "organization",
    "database_url",
    "database_url_file",
    "check_in_seconds",
    "connections",
    "connections_per_address",
    "cloud_private_hosts",
];

/// The settings, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The folder that holds keys, certificates and, by default, the database.
    pub data: PathBuf,
    /// Where to listen, for API and control link alike.
    pub listen: SocketAddr,
    /// Under which URL machines and people reach this server; its certificate is made for it.
    pub public_url: BaseUrl,
    /// Who runs this system, as shown to people and written into certificates.
    pub organization: String,
    /// The database; `None` for SQLite in the data folder.
    pub database: DatabaseAddress,
    /// How often computers check in, in seconds.
    pub check_in_seconds: u64,
    /// Connections at once, in all.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_address: usize,
    /// Hosts of one's own network that a cloud distribution point may be at.
    pub cloud_private_hosts: Vec<String>,
}

/// Where the database is.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// SQLite in the data folder.
    #[default]
    InDataFolder,
    /// A URL as [`xylem_db::Database::connect`] takes it.
    Url(String),
    /// A file that holds such a URL, so that its password is not in the configuration.
    File(PathBuf),
}

/// Everything that is wrong with a configuration, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// One sentence each.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::from("/var/lib/xylem/server"),
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            public_url: BaseUrl::new("localhost", 8443),
            organization: "Xylem".to_owned(),
            database: DatabaseAddress::InDataFolder,
            check_in_seconds: 60,
            connections: DEFAULT_CONNECTIONS,
            connections_per_address: DEFAULT_CONNECTIONS_PER_ADDRESS,
            cloud_private_hosts: Vec::new(),
        }
    }
}

impl ServerConfig {
    /// Reads a configuration in TOML. What is left out has its default.
    ///
    /// # Errors
    /// All problems at once.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError {
            problems: vec![format!("it is no TOML: {}", error.message())],
        })?;
        let mut reader = Reader { table, problems: Vec::new() };
        reader.refuse_unknown();
        let default = Self::default();
        let config = Self {
            data: reader.text("data", default.data, |text| match text.is_empty() {
                true => Err("name a folder".to_owned()),
                false => Ok(PathBuf::from(text)),
            }),
            listen: reader.text("listen", default.listen, |text| {
                text.parse().map_err(|_| "write it as ADDRESS:PORT, e.g. 0.0.0.0:8443".to_owned())
            }),
            public_url: reader.text("public_url", default.public_url, |text| {
                text.parse().map_err(|error: xylem_client::BaseUrlError| error.to_string())
            }),
            organization: reader.text("organization", default.organization, organization),
            database: reader.database(),
            check_in_seconds: reader.number(
                "check_in_seconds",
                default.check_in_seconds,
                MIN_CHECK_IN_SECONDS..=MAX_CHECK_IN_SECONDS,
            ),
            connections: reader.connections("connections", default.connections),
            connections_per_address: reader
                .connections("connections_per_address", default.connections_per_address),
            cloud_private_hosts: reader.hosts("cloud_private_hosts"),
        };
        match reader.problems.is_empty() {
            true => Ok(config),
            false => Err(ConfigError { problems: reader.problems }),
        }
    }

    /// The settings of a server in one folder, for trying out and for tests.
    pub fn in_folder(data: &Path, listen: SocketAddr, public_url: BaseUrl) -> Self {
        Self { data: data.to_owned(), listen, public_url, ..Self::default() }
    }
}

fn is_host(text: &&str) -> bool {
    xylem_pki::server_name(text).is_ok()
}

fn organization(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_ORGANIZATION_CHARS {
        return Err(format!("give a name of 1 to {MAX_ORGANIZATION_CHARS} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("leave out control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Takes settings out of a table, noting problems instead of stopping at the first.
struct Reader {
    table: Table,
    problems: Vec<String>,
}

impl Reader {
    fn refuse_unknown(&mut self) {
        let unknown = self.table.keys().filter(|key| !KEYS.contains(&key.as_str()));
        let told =
            unknown.map(|key| format!("`{key}` is no setting; there are {}", KEYS.join(", ")));
        self.problems.extend(told);
    }

    fn text<T>(
        &mut self,
        key: &str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let problem = match self.table.get(key) {
            None => return default,
            Some(Value::String(text)) => match read(text) {
                Ok(value) => return value,
                Err(problem) => problem,
            },
            Some(_) => "write it in quotes".to_owned(),
        };
        self.problems.push(format!("`{key}`: {problem}"));
        default
    }

    fn database(&mut self) -> DatabaseAddress {
        let url = self.text("database_url", None, |text| {
            let known = ["sqlite://", "postgres://", "postgresql://", "mysql://", "mariadb://"];
            match known.iter().any(|scheme| text.starts_with(scheme)) {
                true => Ok(Some(text.to_owned())),
                // Not repeated: it may hold a password.
                false => Err("use sqlite:///folder/xylem.db, postgres://user@host/name or mysql://user@host/name".into()),
            }
        });
        let file = self.text("database_url_file", None, |text| Ok(Some(PathBuf::from(text))));
        match (url, file) {
            (None, None) => DatabaseAddress::InDataFolder,
            (Some(url), None) => DatabaseAddress::Url(url),
            (None, Some(file)) => DatabaseAddress::File(file),
            (Some(_), Some(_)) => {
                let told = "give either `database_url` or `database_url_file`, not both";
                self.problems.push(told.to_owned());
                DatabaseAddress::InDataFolder
            }
        }
    }

    fn number(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let given = match self.table.get(key) {
            None => return default,
            Some(value) => value.as_integer().and_then(|number| u64::try_from(number).ok()),
        };
        given.filter(|number| range.contains(number)).unwrap_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.problems.push(format!("`{key}`: give a number from {least} to {most}"));
            default
        })
    }

    fn hosts(&mut self, key: &str) -> Vec<String> {
        let given = match self.table.get(key) {
            None => return Vec::new(),
            Some(value) => value.as_array().filter(|hosts| hosts.len() <= MAX_HOSTS),
        };
        let hosts = given.and_then(|hosts| {
            hosts.iter().map(|host| host.as_str().filter(is_host)).collect::<Option<Vec<_>>>()
        });
        match hosts {
            Some(hosts) => hosts.into_iter().map(str::to_owned).collect(),
            None => {
                let told = "give host names or addresses in quotes, without https:// and port, as \
                            [\"storage.example.lan\"]";
                self.problems.push(format!("`{key}`: {told}; at most {MAX_HOSTS}"));
                Vec::new()
            }
        }
    }

    fn connections(&mut self, key: &str, default: usize) -> usize {
        let range = MIN_CONNECTIONS..=MAX_CONNECTIONS;
        let given = self.number(key, default as u64, range);
        usize::try_from(given).unwrap_or(default)
    }
}

/// Leaves out the database's address, which may hold a password.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("data", &self.data)
            .field("listen", &self.listen)
            .field("public_url", &self.public_url)
            .field("organization", &self.organization)
            .field("check_in_seconds", &self.check_in_seconds)
            .field("connections", &self.connections)
            .field("connections_per_address", &self.connections_per_address)
            .field("cloud_private_hosts", &self.cloud_private_hosts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_file_holds_every_setting_at_its_default() {
        assert_eq!(ServerConfig::parse(SAMPLE), Ok(ServerConfig::default()));
        for key in KEYS {
            assert!(SAMPLE.contains(&format!("{key} =")), "{key} is not explained");
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let text = "data = 7\nlisten = \"here\"\npublic_url = \"http://a\"\ndatabase = \"x\"\n\
                    database_url = \"oracle://user:secret@host\"\ncheck_in_seconds = 1\n\
                    organization = \"\"\nconnections = 0\nconnections_per_address = \"all\"\n\
                    cloud_private_hosts = [\"https://a\"]";
        let error = ServerConfig::parse(text).unwrap_err();
        assert_eq!(error.problems.len(), 10, "{error}");
        for word in ["`data`", "`listen`", "https://", "`database` is no", "check_in_seconds"] {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn hosts_of_ones_own_network_are_named() {
        let config = ServerConfig::parse("cloud_private_hosts = [\"s3.lan\", \"10.0.0.7\"]");
        assert_eq!(config.unwrap().cloud_private_hosts, ["s3.lan", "10.0.0.7"]);
    }

    #[test]
    fn text_that_is_no_toml_is_refused() {
        let error = ServerConfig::parse("listen 0.0.0.0").unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
    }
}
