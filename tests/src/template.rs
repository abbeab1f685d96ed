//! `infra/template.yaml` as data. Intrinsic functions become their long form: `!Ref X` reads `{"Ref": "X"}`,
//! `!GetAtt X.Arn` reads `{"Fn::GetAtt": "X.Arn"}`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::project_root;

/// The SAM template.
pub struct Template {
    document: Value,
}

/// A function of the template.
pub struct Function<'a> {
    /// Logical id, such as `ImportStep`.
    pub id: &'a str,
    /// The binary, which is also the package below `functions/`, such as `import-step`.
    pub binary: &'a str,
    /// Its properties, without what `Globals` adds.
    pub properties: &'a Value,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// HTTP method.
    pub method: String,
    /// Path with parameters in braces.
    pub path: String,
    /// The binary of the function that answers.
    pub binary: String,
    /// Whether the JWT authorizer stands before it.
    pub signed_in: bool,
}

impl Template {
    /// Reads the template of this checkout.
    ///
    /// # Errors
    /// When the file cannot be read or is not the YAML we write.
    pub fn read() -> Result<Self> {
        let path = project_root().join("infra/template.yaml");
        Self::parse(&fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?)
    }

    /// Parses a template's text.
    ///
    /// # Errors
    /// When it is not one YAML document with string keys.
    pub fn parse(text: &str) -> Result<Self> {
        let documents = Yaml::load_from_str(text)?;
        let [document] = documents.as_slice() else { bail!("expected one YAML document") };
        Ok(Self { document: to_json(document)? })
    }

    /// What `Globals` gives every function.
    #[must_use]
    pub fn function_globals(&self) -> &Value {
        &self.document["Globals"]["Function"]
    }

    /// A parameter's definition; null when there is none.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &Value {
        &self.document["Parameters"][name]
    }

    /// A resource by logical id; null when there is none.
    #[must_use]
    pub fn resource(&self, id: &str) -> &Value {
        &self.document["Resources"][id]
    }

    /// The resources of one type: logical id and whole definition, in the order of their ids.
    #[must_use]
    pub fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let all = self.document["Resources"].as_object();
        all.into_iter()
            .flatten()
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), resource))
            .collect()
    }

    /// Every function.
    ///
    /// # Errors
    /// When one does not say which binary it is built from.
    pub fn functions(&self) -> Result<Vec<Function<'_>>> {
        self.resources("AWS::Serverless::Function")
            .into_iter()
            .map(|(id, resource)| {
                let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
                let binary = binary.with_context(|| format!("{id} names no binary"))?;
                Ok(Function { id, binary, properties: &resource["Properties"] })
            })
            .collect()
    }

    /// Every route, sorted, followed through its integration to the function.
    ///
    /// # Errors
    /// When a route leads nowhere.
    pub fn routes(&self) -> Result<Vec<Route>> {
        let functions = self.functions()?;
        let mut routes = Vec::new();
        for (id, route) in self.resources("AWS::ApiGatewayV2::Route") {
            let properties = &route["Properties"];
            let key = properties["RouteKey"].as_str().with_context(|| format!("{id} has no route key"))?;
            let (method, path) = key.split_once(' ').with_context(|| format!("{id}: {key}"))?;
            let target = properties["Target"]["Fn::Sub"].as_str().unwrap_or_default();
            let integration = target.strip_prefix("integrations/${").and_then(|rest| rest.strip_suffix('}'));
            let integration = self.resource(integration.with_context(|| format!("{id} has no target"))?);
            let alias = integration["Properties"]["IntegrationUri"]["Ref"].as_str().unwrap_or_default();
            let function = functions.iter().find(|function| alias == format!("{}.Alias", function.id));
            let function =
                function.with_context(|| format!("{id} does not lead to the alias of a function"))?;
            routes.push(Route {
                method: method.to_owned(),
                path: path.to_owned(),
                binary: function.binary.to_owned(),
                signed_in: properties["AuthorizationType"] == "JWT"
                    && self.resource(properties["AuthorizerId"]["Ref"].as_str().unwrap_or_default())["Type"]
                        == "AWS::ApiGatewayV2::Authorizer",
            });
        }
        routes.sort();
        Ok(routes)
    }
}

fn to_json(node: &Yaml<'_>) -> Result<Value> {
    Ok(match node {
        Yaml::Value(scalar) => scalar_to_json(scalar),
        Yaml::Sequence(items) => Value::Array(items.iter().map(to_json).collect::<Result<_>>()?),
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                object.insert(key.as_str().context("a key is not a string")?.to_owned(), to_json(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tag, inner) => {
            let name = match tag.suffix.as_str() {
                "Ref" | "Condition" => tag.suffix.clone(),
                function => format!("Fn::{function}"),
            };
            json!({ name: to_json(inner)? })
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => bail!("unexpected YAML: {node:?}"),
    })
}

fn scalar_to_json(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => json!(value.into_inner()),
        Scalar::String(value) => json!(value),
    }
}
