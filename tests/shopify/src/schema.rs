//! Shopify's schemas, parsed once for each version.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use apollo_compiler::collections::HashMap;
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};

/// One version of the Admin API.
#[derive(Debug)]
pub struct ApiSchema {
    /// For instance `2026-07`.
    pub version: String,
    /// The parsed schema.
    pub schema: Valid<Schema>,
    /// Which types implement which interfaces.
    pub implementers: HashMap<Name, Implementers>,
}

/// Why schemas could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The folder holds no `admin_<version>.graphql`.
    #[error("{} holds no admin_<version>.graphql; print the schemas of @shopify/dev-mcp there first", .0.display())]
    Empty(PathBuf),
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not a valid schema.
    #[error("{} is no valid schema: {first_problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The first thing wrong with it.
        first_problem: String,
    },
}

/// The folder that `SHOPIFY_SCHEMA_DIR` names, for tests that need the schemas.
///
/// # Errors
/// A message that says how to get them, when the variable is not set.
pub fn folder_for_tests() -> Result<PathBuf, String> {
    std::env::var_os("SHOPIFY_SCHEMA_DIR").map(PathBuf::from).ok_or_else(|| {
        "SHOPIFY_SCHEMA_DIR is not set. It names the folder with Shopify's printed schemas; `make test` fetches them and sets it."
            .to_owned()
    })
}

/// The schemas of a folder, parsed when first asked for.
#[derive(Debug)]
pub struct Schemas {
    versions: BTreeMap<String, (PathBuf, OnceLock<Arc<ApiSchema>>)>,
    newest: String,
}

impl Schemas {
    /// Looks for `admin_<version>.graphql` in the folder.
    ///
    /// # Errors
    /// When the folder cannot be read or holds none.
    pub fn in_folder(folder: &Path) -> Result<Self, SchemaError> {
        let unreadable = |source| SchemaError::Read { path: folder.to_owned(), source };
        let mut versions = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(version) = name.strip_prefix("admin_").and_then(|rest| rest.strip_suffix(".graphql"))
            {
                versions.insert(version.to_owned(), (path.clone(), OnceLock::new()));
            }
        }
        let newest =
            versions.keys().next_back().cloned().ok_or_else(|| SchemaError::Empty(folder.to_owned()))?;
        Ok(Self { versions, newest })
    }

    /// The versions at hand, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.versions.keys().map(String::as_str)
    }

    /// The schema of a version, or of the newest one at hand where that is missing.
    ///
    /// # Errors
    /// When the file cannot be read or is no schema.
    pub fn get(&self, version: &str) -> Result<Arc<ApiSchema>, SchemaError> {
        let version = if self.versions.contains_key(version) { version } else { &self.newest };
        let (path, cell) = &self.versions[version];
        if let Some(schema) = cell.get() {
            return Ok(Arc::clone(schema));
        }
        let parsed = Arc::new(parse(version, path)?);
        Ok(Arc::clone(cell.get_or_init(|| parsed)))
    }
}

/// Built in to GraphQL since 2025, so that printed schemas leave it out; the compiler here wants to be told.
const ONE_OF: &str = "\ndirective @oneOf on INPUT_OBJECT\n";

fn parse(version: &str, path: &Path) -> Result<ApiSchema, SchemaError> {
    let mut text = std::fs::read_to_string(path)
        .map_err(|source| SchemaError::Read { path: path.to_owned(), source })?;
    if !text.contains("directive @oneOf") {
        text.push_str(ONE_OF);
    }
    let schema = Schema::parse_and_validate(text, path).map_err(|problems| SchemaError::Invalid {
        path: path.to_owned(),
        first_problem: problems.errors.iter().next().map(|first| first.error.to_string()).unwrap_or_default(),
    })?;
    let implementers = schema.implementers_map();
    Ok(ApiSchema { version: version.to_owned(), schema, implementers })
}
