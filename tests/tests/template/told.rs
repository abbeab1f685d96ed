//! What functions are told: settings, and the secrets that are open to them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::{Context, Result};
use shared::lambda::config;
use system_tests::template::Template;

use super::{actions, rights, statements};

#[test]
fn secrets_are_open_only_to_functions_that_talk_to_the_shop() -> Result<()> {
    let template = Template::read()?;
    for function in template.functions()? {
        let statements = statements(&template, &function)?;
        let app = rights(statements, "AppSecret");
        let installs = rights(statements, "${AWS::StackName}/install/*");
        let all: BTreeSet<String> = statements.iter().flat_map(actions).map(str::to_owned).collect();
        let secret = all.iter().filter(|action| action.starts_with("secretsmanager:"));
        assert!(
            secret.clone().all(|action| app.contains(action) || installs.contains(action)),
            "{}",
            function.id
        );
        match function.binary {
            "status" | "imports" | "catalog" => assert_eq!(secret.count(), 0, "{}", function.id),
            "configure" => {
                assert_eq!(installs, BTreeSet::from(["secretsmanager:CreateSecret".to_owned()]));
                assert!(app.is_empty(), "configure never reads");
            }
            "webhooks" => assert!(installs.is_empty(), "what is public has no way to a token: {installs:?}"),
            _ => {}
        }
        assert!(
            app.iter().all(|action| action == "secretsmanager:GetSecretValue"),
            "{}: {app:?}",
            function.id
        );
    }
    Ok(())
}

#[test]
fn a_function_is_told_of_exactly_what_it_may_use() -> Result<()> {
    let template = Template::read()?;
    let told = [
        ("CONNECTORS_TABLE", "ConnectorsTable"),
        ("HISTORY_TABLE", "HistoryTable"),
        ("RUNS_TABLE", "RunsTable"),
        ("CATALOG_TABLE", "CatalogTable"),
        ("DESTINATIONS_TABLE", "DestinationsTable"),
        ("PUSH_TABLE", "PushTable"),
        ("INPUTS_BUCKET", "InputsBucket"),
        ("DESTINATION_STEPS_QUEUE", "DestinationStepsQueue"),
        ("IMPORT_STEPS_QUEUE", "ImportStepsQueue"),
        ("WEBHOOKS_QUEUE", "WebhooksQueue"),
        ("APP_SECRET_ID", "AppSecret"),
        ("INSTALL_SECRET_PREFIX", "${AWS::StackName}/install/*"),
    ];
    for function in template.functions()? {
        let statements = statements(&template, &function)?;
        let variables = &function.properties["Environment"]["Variables"];
        for (variable, resource) in told {
            assert_eq!(
                !variables[variable].is_null(),
                !rights(statements, resource).is_empty(),
                "{}: {variable} and the rights on {resource}",
                function.id
            );
        }
        assert_eq!(
            !variables["STORE_CLAIM"].is_null(),
            template.routes()?.iter().any(|route| route.binary == function.binary && route.signed_in),
            "{}: the claim is read behind the authorizer and nowhere else",
            function.id
        );
    }
    Ok(())
}

/// The variables that the configuration of a function asks for.
fn read_by(binary: &str) -> BTreeSet<String> {
    let read = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        read.borrow_mut().insert(name.to_owned());
        None
    };
    let refused = match binary {
        "catalog" => config::Catalog::parse(lookup).err(),
        "configure" => config::Configure::parse(lookup).err(),
        "destination" => config::Destination::parse(lookup).err(),
        "destination-step" => config::DestinationStep::parse(lookup).err(),
        "disconnect" => config::Disconnect::parse(lookup).err(),
        "import-step" => config::ImportStep::parse(lookup).err(),
        "imports" => config::Imports::parse(lookup).err(),
        "oauth-callback" => config::OauthCallback::parse(lookup).err(),
        "status" => config::Status::parse(lookup).err(),
        "sweeper" => config::Sweeper::parse(lookup).err(),
        "webhook-step" => config::WebhookStep::parse(lookup).err(),
        "webhooks" => config::Webhooks::parse(lookup).err(),
        _ => None,
    };
    assert!(refused.is_some(), "{binary} has a configuration without which it does not start");
    read.into_inner()
}

#[test]
fn a_function_reads_everything_that_it_is_told() -> Result<()> {
    let template = Template::read()?;
    for function in template.functions()? {
        let variables = function.properties["Environment"]["Variables"].as_object().context("variables")?;
        let told: BTreeSet<String> = variables.keys().cloned().collect();
        assert_eq!(told, read_by(function.binary), "{}", function.id);
    }
    Ok(())
}

#[test]
fn the_app_secret_starts_unguessable_and_is_never_overwritten() -> Result<()> {
    let template = Template::read()?;
    let secret = &template.resource("AppSecret")["Properties"];
    assert!(secret["SecretString"].is_null(), "a written value is known to every reader");
    let generated = &secret["GenerateSecretString"];
    assert_eq!(generated["GenerateStringKey"], "current");
    // A definition that refers to anything could change, and an update would replace the operator's value.
    assert!(generated.as_object().context("generated")?.values().all(|value| !value.is_object()));
    Ok(())
}
