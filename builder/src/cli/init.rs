//! `hcimage init`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf, absolute};

use anyhow::Context;

use crate::board::Boards;
use crate::cluster::{self, FixedAddresses, LoadContext, TemplateOptions};
use crate::overlays::{Library, UserFolder};
use crate::value::{DnsLabel, Host, Subnet, UserName};

use super::ask::Dialogue;
use super::output::{self, Usage};

/// Write a commented cluster file to begin with
///
/// On a terminal it asks for what the options do not say. What it writes has passed all checks.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The file to write
    #[arg(value_name = "FILE", default_value = "cluster.toml")]
    output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    overwrite: bool,
    /// Ask nothing, even on a terminal
    #[arg(long)]
    no_questions: bool,
    #[command(flatten)]
    given: Given,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
}

/// What the options say; the rest is asked for, or is a default.
#[derive(Debug, Clone, Default, clap::Args)]
struct Given {
    /// The cluster's name; nodes are named after it [default: home]
    #[arg(long)]
    name: Option<DnsLabel>,
    /// The board of the servers, such as cm4 or pc [default: cm4]
    #[arg(long)]
    board: Option<String>,
    /// How many servers; three and more share their state by etcd [default: 1]
    #[arg(long, value_name = "NUMBER")]
    servers: Option<u32>,
    /// How many agents [default: 0]
    #[arg(long, value_name = "NUMBER")]
    agents: Option<u32>,
    /// The board of the agents [default: that of the servers]
    #[arg(long, value_name = "BOARD")]
    agent_board: Option<String>,
    /// Fixed addresses from this network, such as 192.168.1.0/24 [default: DHCP]
    #[arg(long, value_name = "NETWORK")]
    subnet: Option<Subnet>,
    /// The router [default: the network's first address]
    #[arg(long, value_name = "ADDRESS", requires = "subnet")]
    gateway: Option<IpAddr>,
    /// The first node's address; the others follow [default: the eleventh]
    #[arg(long, value_name = "ADDRESS", requires = "subnet")]
    first_address: Option<IpAddr>,
    /// A name or address that leads to the first server
    #[arg(long, value_name = "NAME")]
    api: Option<Host>,
    /// A file with your public SSH key
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
    /// The account that the key is for [default: admin]
    #[arg(long, value_name = "NAME", requires = "ssh_key")]
    user: Option<UserName>,
}

const EXAMPLES: &str = "Examples:
  hcimage init
  hcimage init --name lab --board cm4 --agents 3 --subnet 192.168.1.0/24 \\
      --ssh-key ~/.ssh/id_ed25519.pub";

/// More nodes than this are taken for a typo.
const MOST_NODES: u32 = 1000;

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let exists = || {
            anyhow::anyhow!(
                "{} exists already; choose another name, or replace it with --overwrite",
                self.output.display()
            )
        };
        if !self.overwrite && self.output.exists() {
            return Err(exists());
        }
        let boards = Boards::load(self.profiles.as_deref())?;
        let given = match !self.no_questions && io::stdin().is_terminal() && io::stderr().is_terminal() {
            true => ask(self.given, &boards, &mut io::stdin().lock(), &mut output::stderr())
                .context("asking for the cluster's settings")?,
            false => self.given,
        };
        let text = cluster::template(&given.options(&boards)?);
        let dir = self.output.parent().unwrap_or(Path::new(""));
        let context = LoadContext {
            overlays: &Library::default(),
            boards: &boards,
            dir,
            read: &cluster::read_file,
            list: &UserFolder::list,
            is_outside: &|file| cluster::leads_outside(dir, file),
            is_shared: false,
        };
        let checked = cluster::parse(&text, &self.output.display().to_string(), &context)
            .map_err(|report| Usage(format!("the options make no valid cluster\n{report}")))?;
        write(&self.output, &text, self.overwrite)
            .with_context(|| format!("writing {}", self.output.display()))?;
        let ignored = ignore_secrets(dir).context("writing .gitignore")?;
        report(&self.output, &checked.warnings, ignored)
    }
}

/// Complete under its name, or not there; without `overwrite` never in another file's place.
fn write(path: &Path, text: &str, overwrite: bool) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new().prefix(".cluster-").tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let placed = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
    placed.map(drop).map_err(|error| error.error)
}

/// What must not get into a repository: secrets, and images, which have them inside.
const IGNORED: &str = "# Written by hcimage: these files have the secrets of the cluster inside.\n\
                       *.secrets.toml\nout/\n*.img\nkubeconfig\n";

/// Writes a `.gitignore` beside the cluster file where there is none, and says whether it did.
fn ignore_secrets(dir: &Path) -> io::Result<bool> {
    let path = dir.join(".gitignore");
    match std::fs::symlink_metadata(&path) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => write(&path, IGNORED, false).map(|()| true),
        Err(error) => Err(error),
    }
}

fn report(path: &Path, warnings: &cluster::Report, ignored: bool) -> anyhow::Result<()> {
    if !warnings.is_empty() {
        writeln!(output::stderr(), "{warnings}")?;
    }
    let mut out = output::stdout();
    if ignored {
        writeln!(out, ".gitignore keeps the secrets of the cluster out of a repository")?;
    }
    writeln!(out, "{} is ready: look through it, then run hcimage build", path.display())?;
    Ok(out.flush()?)
}

/// Asks for everything that was not given.
fn ask(mut given: Given, boards: &Boards, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<Given> {
    let mut dialogue = Dialogue { input, out };
    let board = |text: &str| boards.get(text).map(|board| board.name.clone());
    let number = |text: &str| match text.parse::<u32>() {
        Ok(number) if number <= MOST_NODES => Ok(number),
        _ => Err(format!("write a number up to {MOST_NODES}")),
    };
    if given.name.is_none() {
        given.name = Some(dialogue.ask("Name of the cluster", "home", str::parse)?);
    }
    if given.servers.is_none() {
        let odd = |text: &str| number(text).and_then(|servers| odd(servers).map(|()| servers));
        given.servers = Some(dialogue.ask("Servers (1, or 3 and more for etcd)", "1", odd)?);
    }
    if given.board.is_none() {
        let known = boards.names().collect::<Vec<_>>().join(", ");
        given.board = Some(dialogue.ask(&format!("Board of the servers ({known})"), "cm4", board)?);
    }
    if given.agents.is_none() {
        given.agents = Some(dialogue.ask("Agents", "0", number)?);
    }
    if given.agent_board.is_none() && given.agents > Some(0) {
        let same = given.board.clone().unwrap_or_default();
        given.agent_board = Some(dialogue.ask("Board of the agents", &same, board)?);
    }
    if given.subnet.is_none() && given.api.is_none() {
        network(&mut given, &mut dialogue)?;
    }
    if given.ssh_key.is_none() {
        let file = dialogue.ask("File with your public SSH key (empty for none)", "", key_file)?;
        given.ssh_key = file;
    }
    Ok(given)
}

fn network(given: &mut Given, dialogue: &mut Dialogue<'_>) -> io::Result<()> {
    let question = "Network for fixed addresses, such as 192.168.1.0/24, or dhcp";
    let subnet = |text: &str| match text {
        "dhcp" => Ok(None),
        text => text.parse::<Subnet>().map(Some),
    };
    given.subnet = dialogue.ask(question, "dhcp", subnet)?;
    if let Some(subnet) = given.subnet {
        let inside = |text: &str| {
            let address = text.parse::<IpAddr>().map_err(|error| error.to_string())?;
            subnet.host(address).map(|host| host.ip()).map_err(|error| error.to_string())
        };
        let default = |index| subnet.address(index).map(|address| address.to_string()).unwrap_or_default();
        given.gateway = Some(dialogue.ask("Router", &default(1), inside)?);
        given.first_address =
            Some(dialogue.ask("Address of the first node; the others follow", &default(11), inside)?);
    } else if given.nodes() > 1 {
        let question =
            "Name or address that leads to the first server (a DHCP reservation or a name in your DNS)";
        given.api = Some(dialogue.ask(question, "", str::parse::<Host>)?);
    }
    Ok(())
}

/// No shell has replaced `~`.
fn key_file(text: &str) -> Result<Option<PathBuf>, String> {
    let path = match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    };
    match text {
        "" => Ok(None),
        _ if path.is_file() => Ok(Some(path)),
        _ => Err(format!("there is no file {}", path.display())),
    }
}

fn odd(servers: u32) -> Result<(), String> {
    match servers % 2 {
        1 => Ok(()),
        _ => Err("write 1 or another odd number: etcd needs more than half of its servers".to_owned()),
    }
}

impl Given {
    fn nodes(&self) -> u32 {
        self.servers.unwrap_or(1).saturating_add(self.agents.unwrap_or(0))
    }

    fn options(self, boards: &Boards) -> anyhow::Result<TemplateOptions> {
        if self.nodes() > MOST_NODES {
            return Err(Usage(format!("{} nodes are more than {MOST_NODES}", self.nodes())).into());
        }
        odd(self.servers.unwrap_or(1)).map_err(|hint| Usage(format!("--servers: {hint}")))?;
        let addresses = self.addresses()?;
        if addresses.is_none() && self.api.is_none() && self.nodes() > 1 {
            let hint = "give --subnet for fixed addresses, or --api with a name or address that leads to the first server";
            return Err(Usage(format!("the nodes could not find each other by DHCP alone: {hint}")).into());
        }
        let board = self.board.unwrap_or_else(|| "cm4".to_owned());
        let agent_board = self.agent_board.unwrap_or_else(|| board.clone());
        for name in [&board, &agent_board] {
            boards.get(name)?;
        }
        let user = match (self.ssh_key, self.user) {
            (None, _) => None,
            (Some(key), user) => {
                let name = user.map_or_else(|| "admin".parse(), Ok)?;
                Some((name, absolute(&key).with_context(|| format!("finding {}", key.display()))?))
            }
        };
        Ok(TemplateOptions {
            name: self.name.map_or_else(|| "home".parse(), Ok)?,
            servers: self.servers.unwrap_or(1),
            board,
            agents: self.agents.unwrap_or(0),
            agent_board,
            addresses,
            api: self.api,
            user,
        })
    }

    fn addresses(&self) -> anyhow::Result<Option<FixedAddresses>> {
        let Some(subnet) = self.subnet else { return Ok(None) };
        let small = || Usage(format!("{subnet} is too small: give --gateway and --first-address"));
        let default =
            |given: Option<IpAddr>, index| given.or_else(|| subnet.address(index)).ok_or_else(small);
        let gateway = default(self.gateway, 1)?;
        let first = default(self.first_address, 11)?;
        Ok(Some(FixedAddresses { subnet, gateway, first }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &str) -> (TemplateOptions, String) {
        let (boards, mut out) = (Boards::load(None).unwrap(), Vec::new());
        let given = ask(Given::default(), &boards, &mut lines.as_bytes(), &mut out).unwrap();
        (given.options(&boards).unwrap(), String::from_utf8(out).unwrap())
    }

    #[test]
    fn empty_answers_make_one_node_with_dhcp() {
        let (options, said) = answer("\n\n\n\n\n\n");
        assert_eq!((options.name.as_str(), options.servers, options.agents), ("home", 1, 0));
        assert!(options.addresses.is_none() && options.api.is_none() && options.user.is_none());
        assert_eq!(said.matches(": ").count(), 6, "{said}");
    }

    #[test]
    fn answers_make_a_cluster_and_bad_ones_are_asked_again() {
        let (options, said) =
            answer("lab\n2\n3\ncm9\npc\n2\ncm4\n10.0.0.0/24\n10.1.0.1\n\n10.0.0.50\n/none\n\n");
        assert_eq!((options.servers, options.agents), (3, 2));
        assert_eq!((options.board.as_str(), options.agent_board.as_str()), ("pc", "cm4"));
        let addresses = options.addresses.unwrap();
        assert_eq!(addresses.gateway.to_string(), "10.0.0.1");
        assert_eq!(addresses.first.to_string(), "10.0.0.50");
        for again in
            ["another odd number", "unknown board \"cm9\"", "not inside the network", "no file /none"]
        {
            assert!(said.contains(again), "{again} is missing in {said}");
        }
    }

    #[test]
    fn by_dhcp_several_nodes_need_a_name() {
        let (options, _) = answer("\n\n\n2\n\ndhcp\nk3s.home.lan\n\n");
        assert_eq!(options.api.unwrap().to_string(), "k3s.home.lan");
        let given = Given { agents: Some(2), ..Given::default() };
        let error = given.options(&Boards::load(None).unwrap()).unwrap_err();
        assert!(error.to_string().contains("--subnet"), "{error}");
    }
}
