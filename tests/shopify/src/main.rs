//! Command line of the Shopify simulator.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use shopify_simulator::apps::App;
use shopify_simulator::seed::{self, Seed};
use shopify_simulator::server::{self, Simulator, StartError};
use shopify_simulator::webhooks::address::Routes;

const USAGE: &str = "\
usage: shopify-simulator --schema-dir DIR [options]

  --schema-dir DIR       folder with admin_<version>.graphql
  --state-dir DIR        folder for the certificate and result files (default: a new one below the temporary folder)
  --shop LABEL=SEED      opens LABEL.myshopify.com; SEED is demo, empty or generated:<products>[:<rng seed>]
  --csv LABEL=FILE       opens LABEL.myshopify.com with a Shopify product export
  --app ID:SECRET:URI    registers an app that may send merchants back to URI
  --deliver-to FROM=TO   sends webhooks for an https origin to an http address on loopback
  --port-file FILE       writes the addresses there too
  --die-with-stdin       ends when standard input is closed
";

#[derive(Default)]
struct Options {
    schemas: Option<PathBuf>,
    state: Option<PathBuf>,
    shops: Vec<(String, Seed)>,
    csv: Vec<(String, PathBuf)>,
    apps: Vec<(String, App)>,
    routes: BTreeMap<String, String>,
    port_file: Option<PathBuf>,
    die_with_stdin: bool,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        if name == "--die-with-stdin" {
            options.die_with_stdin = true;
            continue;
        }
        if !["--schema-dir", "--state-dir", "--shop", "--csv", "--app", "--deliver-to", "--port-file"]
            .contains(&name.as_str())
        {
            return Err(format!("unknown option `{name}`"));
        }
        let value = arguments.next().ok_or_else(|| format!("`{name}` needs a value"))?;
        let pair = || {
            let (label, rest) = value.split_once('=').ok_or_else(|| format!("`{name} {value}` lacks `=`"))?;
            Ok::<_, String>((label.to_owned(), rest.to_owned()))
        };
        match name.as_str() {
            "--schema-dir" => options.schemas = Some(value.into()),
            "--state-dir" => options.state = Some(value.into()),
            "--port-file" => options.port_file = Some(value.into()),
            "--shop" => {
                let (label, text) = pair()?;
                options.shops.push((label, text.parse()?));
            }
            "--deliver-to" => {
                let (origin, target) = pair()?;
                options.routes.insert(origin, target);
            }
            "--csv" => {
                let (label, file) = pair()?;
                options.csv.push((label, file.into()));
            }
            _ => {
                // The address holds colons itself, so it comes last.
                let mut parts = value.splitn(3, ':').map(str::to_owned);
                let (Some(id), Some(secret), Some(uri)) = (parts.next(), parts.next(), parts.next()) else {
                    return Err(format!("`--app {value}` is not ID:SECRET:URI"));
                };
                let app = App {
                    secret,
                    redirect_uris: vec![uri],
                    name: "Merchant Connectors".to_owned(),
                    ..App::default()
                };
                options.apps.push((id, app));
            }
        }
    }
    Ok(options)
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}\n\n{USAGE}")]
    Usage(String),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{} could not be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("{} is no Shopify product export", .0.display())]
    Csv(PathBuf, #[source] seed::CsvError),
    #[error("the addresses could not be told")]
    Tell(#[from] std::io::Error),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut message = failure.to_string();
            let mut source = std::error::Error::source(&failure);
            while let Some(cause) = source {
                message = format!("{message}: {cause}");
                source = cause.source();
            }
            // Nowhere is left to tell a failure of this to.
            let _ = writeln!(std::io::stderr(), "shopify-simulator: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let options = parse(std::env::args().skip(1)).map_err(Failure::Usage)?;
    let schemas = options.schemas.ok_or_else(|| Failure::Usage("`--schema-dir` is missing".to_owned()))?;
    let state = options
        .state
        .unwrap_or_else(|| std::env::temp_dir().join(format!("shopify-simulator-{}", std::process::id())));
    let routes = Routes::parse(&options.routes).map_err(|problem| Failure::Usage(problem.to_string()))?;
    let simulator = Arc::new(Simulator::new(&schemas, &state)?);
    simulator.outbox.set_routes(routes);
    // The schema is parsed while shops are made, not with the first request.
    let parsing = {
        let simulator = Arc::clone(&simulator);
        std::thread::spawn(move || simulator.schemas.get("2026-07").map(|_| ()))
    };
    for (label, seed) in &options.shops {
        simulator.open(seed.shop(label));
    }
    for (label, path) in &options.csv {
        let file = std::fs::File::open(path).map_err(|problem| Failure::Read(path.clone(), problem))?;
        let loaded = seed::csv(label, file).map_err(|problem| Failure::Csv(path.clone(), problem))?;
        for warning in &loaded.warnings {
            writeln!(std::io::stderr(), "{}: {warning}", path.display())?;
        }
        simulator.open(loaded.shop);
    }
    for (client_id, app) in options.apps {
        simulator.register(&client_id, app);
    }
    if let Ok(parsed) = parsing.join() {
        parsed.map_err(StartError::Schema)?;
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut running = server::start(simulator, &state).await?;
        let line = serde_json::to_string(&running.addresses).unwrap_or_default();
        if let Some(file) = &options.port_file {
            // Written aside and renamed, so that a waiting reader never sees half of it.
            let aside = file.with_extension("part");
            std::fs::write(&aside, &line)?;
            std::fs::rename(&aside, file)?;
        }
        let mut out = std::io::stdout();
        writeln!(out, "{line}")?;
        out.flush()?;
        if options.die_with_stdin {
            std::thread::spawn(|| {
                let mut rest = Vec::new();
                let _ = std::io::stdin().read_to_end(&mut rest);
                std::process::exit(0);
            });
        }
        running.wait().await;
        Ok(())
    })
}
