//! The rules `infra/template.yaml` must keep. Most are settings the local stack accepts and ignores, so that only
//! reading the template can prove them.

mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shared::adapters::dynamodb::keys;
use system_tests::project_root;
use system_tests::template::{Function, Template};

/// Statements of the role of `function`.
fn statements<'a>(template: &'a Template, function: &Function<'_>) -> Result<&'a Vec<Value>> {
    let role = function.properties["Role"]["Fn::GetAtt"].as_str().and_then(|role| role.strip_suffix(".Arn"));
    let role = &template.resource(role.context("no role")?)["Properties"];
    ensure!(
        role["ManagedPolicyArns"].is_null(),
        "{}: rights stand in the template, not in a managed policy",
        function.id
    );
    let policies = role["Policies"].as_array().context("no policies")?;
    ensure!(policies.len() == 1, "{}: one policy a role", function.id);
    policies[0]["PolicyDocument"]["Statement"].as_array().context("no statements")
}

fn many(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn actions(statement: &Value) -> Vec<&str> {
    many(&statement["Action"]).into_iter().filter_map(Value::as_str).collect()
}

/// Actions on resources whose text contains `resource`, over all statements.
fn rights(statements: &[Value], resource: &str) -> BTreeSet<String> {
    let on = |statement: &&Value| {
        many(&statement["Resource"]).iter().any(|item| item.to_string().contains(resource))
    };
    statements.iter().filter(on).flat_map(actions).map(str::to_owned).collect()
}

/// Every text inside a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Functions that a queue triggers, each with its mapping.
fn step_functions<'a>(functions: &'a [Function<'a>]) -> Vec<(&'a Function<'a>, &'a Value)> {
    let mapping = |function: &'a Function<'a>| {
        let events = function.properties["Events"].as_object()?;
        events.values().find(|event| event["Type"] == "SQS").map(|event| (function, &event["Properties"]))
    };
    functions.iter().filter_map(mapping).collect()
}

/// The schedule that calls a function.
fn schedule<'a>(function: &'a Function<'a>) -> Option<&'a Value> {
    let mut events = function.properties["Events"].as_object()?.values();
    events.find(|event| event["Type"] == "ScheduleV2").map(|event| &event["Properties"])
}

#[test]
fn the_sweeper_comes_every_five_minutes_and_is_over_before_it_comes_again() -> Result<()> {
    let template = Template::read()?;
    let functions = template.functions()?;
    let scheduled: Vec<_> =
        functions.iter().filter_map(|function| Some((function, schedule(function)?))).collect();
    let [(function, schedule)] = scheduled.as_slice() else { anyhow::bail!("one function has a schedule") };
    assert_eq!(function.binary, "sweeper");
    assert_eq!(schedule["ScheduleExpression"], "rate(5 minutes)");
    assert!(function.properties["Timeout"].as_u64().is_some_and(|timeout| timeout < 300));
    let sent: Value = serde_json::from_str(schedule["Input"].as_str().context("no input")?)?;
    let event = fs::read_to_string(project_root().join("events/sweeper/good.json"))?;
    assert_eq!(sent, serde_json::from_str::<Value>(&event)?, "tests feed what the schedule sends");
    Ok(())
}

#[test]
fn functions_of_the_template_are_the_packages_below_functions() -> Result<()> {
    let template = Template::read()?;
    let binaries: BTreeSet<String> =
        template.functions()?.iter().map(|function| function.binary.to_owned()).collect();
    let mut packages = BTreeSet::new();
    for entry in fs::read_dir(project_root().join("functions"))? {
        let entry = entry?;
        if let Ok(manifest) = fs::read_to_string(entry.path().join("Cargo.toml")) {
            let folder = entry.file_name().to_string_lossy().into_owned();
            assert!(
                manifest.contains(&format!("name = \"{folder}\"")),
                "{folder}: package and folder share a name"
            );
            packages.insert(folder);
        }
    }
    assert_eq!(binaries, packages);
    Ok(())
}

#[test]
fn functions_are_built_from_the_workspace_for_the_given_processor() -> Result<()> {
    let template = Template::read()?;
    let globals = template.function_globals();
    assert_eq!(globals["CodeUri"], "..");
    assert_eq!(globals["Runtime"], "provided.al2023");
    assert_eq!(globals["Handler"], "bootstrap");
    assert_eq!(globals["Architectures"], json!([{ "Ref": "Architecture" }]));
    assert_eq!(template.parameter("Architecture")["Default"], "arm64");
    for (id, function) in template.resources("AWS::Serverless::Function") {
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{id}");
    }
    Ok(())
}

#[test]
fn callers_reach_functions_through_the_alias_of_the_newest_version() -> Result<()> {
    let template = Template::read()?;
    assert_eq!(template.function_globals()["AutoPublishAlias"], "live");
    let mut permitted = BTreeSet::new();
    for (id, permission) in template.resources("AWS::Lambda::Permission") {
        let properties = &permission["Properties"];
        assert_eq!(properties["Principal"], "apigateway.amazonaws.com", "{id}");
        let source = properties["SourceArn"]["Fn::Sub"].as_str().unwrap_or_default();
        assert!(source.ends_with(":${Api}/*"), "{id}: any other API may invoke: {source}");
        permitted.insert(properties["FunctionName"]["Ref"].as_str().unwrap_or_default().to_owned());
    }
    let routes = template.routes()?;
    let mut routed = BTreeSet::new();
    for function in template.functions()? {
        assert_eq!(function.properties["AutoPublishAliasAllProperties"], true, "{}", function.id);
        if routes.iter().any(|route| route.binary == function.binary) {
            routed.insert(format!("{}.Alias", function.id));
        }
    }
    assert_eq!(permitted, routed);
    Ok(())
}

#[test]
fn every_function_has_a_trigger_and_answers_before_the_api_gives_up() -> Result<()> {
    let template = Template::read()?;
    let (functions, routes) = (template.functions()?, template.routes()?);
    let steps: Vec<&str> = step_functions(&functions).iter().map(|(function, _)| function.id).collect();
    for function in &functions {
        let routed = routes.iter().any(|route| route.binary == function.binary);
        let triggers = [routed, steps.contains(&function.id), schedule(function).is_some()];
        let triggers = triggers.into_iter().filter(|there| *there).count();
        assert_eq!(triggers, 1, "{}: either routes or a queue or a schedule", function.id);
        let timeout = function.properties["Timeout"].as_u64().context("no timeout")?;
        assert!(!routed || timeout < 30, "{}: HTTP APIs stop at 30 s", function.id);
    }
    Ok(())
}

#[test]
fn only_what_the_platform_signs_or_a_key_opens_is_public() -> Result<()> {
    let template = Template::read()?;
    let routes = template.routes()?;
    let public: Vec<(&str, &str)> = routes
        .iter()
        .filter(|route| !route.signed_in)
        .map(|route| (route.path.as_str(), route.binary.as_str()))
        .collect();
    // The first two are signed; for the last one the handler itself looks a key up (`app/push/keys.rs`).
    let expected = [
        ("/oauth/{provider}/callback", "oauth-callback"),
        ("/webhooks/{provider}", "webhooks"),
        ("/webhooks/{provider}/{install_key}", "webhooks"),
        ("/destinations/{destination_id}/{stream}", "destination"),
    ];
    assert_eq!(BTreeSet::from_iter(public), BTreeSet::from(expected));
    for route in routes.iter().filter(|route| route.signed_in) {
        assert!(route.path.starts_with("/stores/{store_id}/"), "{}", route.path);
    }
    Ok(())
}

#[test]
fn data_tools_cannot_take_all_that_the_gateway_lets_through() -> Result<()> {
    let template = Template::read()?;
    let stages = template.resources("AWS::ApiGatewayV2::Stage");
    let stage = &stages.values().next().context("no stage")?["Properties"];
    let (all, routes) = (&stage["DefaultRouteSettings"], &stage["RouteSettings"]);
    let settings = routes.as_object().context("no settings of routes")?;
    let keys: Vec<String> = template
        .routes()?
        .into_iter()
        .filter(|route| route.path.starts_with("/destinations/"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(settings.keys().collect::<Vec<_>>(), keys.iter().collect::<Vec<_>>());
    for (key, own) in settings {
        for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
            let (own, all) = (own[limit].as_u64(), all[limit].as_u64());
            assert!(own.is_some_and(|own| Some(2 * own) <= all), "{key}: {limit}: {own:?} of {all:?}");
        }
    }
    Ok(())
}

#[test]
fn routes_are_these() -> Result<()> {
    let routes = Template::read()?.routes()?;
    let lines: Vec<String> =
        routes.iter().map(|route| format!("{} {} -> {}", route.method, route.path, route.binary)).collect();
    insta::assert_json_snapshot!("routes", lines);
    Ok(())
}

#[test]
fn tokens_are_checked_against_the_given_issuer_and_audience() -> Result<()> {
    let template = Template::read()?;
    let authorizers = template.resources("AWS::ApiGatewayV2::Authorizer");
    assert_eq!(authorizers.len(), 1);
    for authorizer in authorizers.values() {
        let properties = &authorizer["Properties"];
        assert_eq!(properties["AuthorizerType"], "JWT");
        assert_eq!(properties["IdentitySource"], json!(["$request.header.Authorization"]));
        let expected = json!({ "Issuer": { "Ref": "Issuer" }, "Audience": [{ "Ref": "Audience" }] });
        assert_eq!(properties["JwtConfiguration"], expected);
    }
    for required in ["Issuer", "Audience", "ShopifyClientId", "ReturnOrigin"] {
        let parameter = template.parameter(required);
        assert!(parameter.is_object() && parameter["Default"].is_null(), "{required} has no default");
    }
    Ok(())
}

#[test]
fn steps_report_each_message_and_may_send_to_themselves() -> Result<()> {
    let template = Template::read()?;
    let functions = template.functions()?;
    let steps = step_functions(&functions);
    assert!(!steps.is_empty());
    for (function, mapping) in steps {
        assert_eq!(function.properties["RecursiveLoop"], "Allow", "{}", function.id);
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{}", function.id);
        let concurrency = mapping["ScalingConfig"]["MaximumConcurrency"].as_u64();
        assert!(concurrency.is_some_and(|limit| limit >= 2), "{}: maximum concurrency", function.id);
        let batch = mapping["BatchSize"].as_u64();
        assert!(batch.is_some_and(|size| (1..=5).contains(&size)), "{}: batch size", function.id);
    }
    Ok(())
}

#[test]
fn a_message_stays_hidden_for_six_timeouts() -> Result<()> {
    let template = Template::read()?;
    let functions = template.functions()?;
    for (function, mapping) in step_functions(&functions) {
        let queue = mapping["Queue"]["Fn::GetAtt"].as_str().and_then(|queue| queue.strip_suffix(".Arn"));
        let queue = &template.resource(queue.context("no queue")?)["Properties"];
        let visibility = queue["VisibilityTimeout"].as_u64().context("no visibility timeout")?;
        let timeout = function.properties["Timeout"].as_u64().context("no timeout")?;
        assert!(visibility >= 6 * timeout, "{}: {visibility} < 6 x {timeout}", function.id);
    }
    Ok(())
}

#[test]
fn queues_keep_messages_long_enough_and_hand_poison_over() -> Result<()> {
    const DAY: u64 = 86_400;
    let template = Template::read()?;
    let queues = template.resources("AWS::SQS::Queue");
    let mut dead_letters = BTreeSet::new();
    for (id, queue) in &queues {
        let properties = &queue["Properties"];
        assert_eq!(properties["SqsManagedSseEnabled"], true, "{id}");
        let redrive = &properties["RedrivePolicy"];
        if redrive.is_null() {
            assert_eq!(properties["MessageRetentionPeriod"], 14 * DAY, "{id}");
        } else {
            assert_eq!(properties["MessageRetentionPeriod"], 4 * DAY, "{id}");
            assert_eq!(redrive["maxReceiveCount"], 20, "{id}");
            let target = redrive["deadLetterTargetArn"]["Fn::GetAtt"].as_str().unwrap_or_default();
            dead_letters.insert(target.trim_end_matches(".Arn").to_owned());
        }
    }
    let without: BTreeSet<String> = queues
        .iter()
        .filter(|(_, queue)| queue["Properties"]["RedrivePolicy"].is_null())
        .map(|(id, _)| (*id).to_owned())
        .collect();
    assert_eq!(dead_letters, without, "every queue is a source with a DLQ, or that DLQ");
    Ok(())
}

#[test]
fn tables_survive_mistakes() -> Result<()> {
    let template = Template::read()?;
    let tables = template.resources("AWS::DynamoDB::Table");
    let mut expiring = BTreeMap::new();
    for (id, table) in &tables {
        let properties = &table["Properties"];
        assert_eq!(table["DeletionPolicy"], "Retain", "{id}");
        assert_eq!(table["UpdateReplacePolicy"], "Retain", "{id}");
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
        assert_eq!(
            properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true,
            "{id}"
        );
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{id}");
        assert!(properties["TableName"].is_null(), "{id}: a fixed name blocks a restore beside it");
        let expiry = &properties["TimeToLiveSpecification"];
        expiring.insert(*id, (expiry["Enabled"] == true).then(|| expiry["AttributeName"].clone()));
    }
    let expires_at = Some(json!("expires_at"));
    let expected = BTreeMap::from([
        ("CatalogTable", None),
        ("ConnectorsTable", expires_at.clone()),
        ("DestinationsTable", None),
        ("HistoryTable", None),
        ("PushTable", expires_at.clone()),
        ("RunsTable", expires_at),
    ]);
    assert_eq!(expiring, expected);
    Ok(())
}

#[test]
fn rows_of_pushes_are_gone_after_thirty_days_and_copies_of_files_stay() -> Result<()> {
    let template = Template::read()?;
    let buckets = template.resources("AWS::S3::Bucket");
    let lives: Vec<_> =
        buckets.iter().map(|(id, it)| (*id, &it["Properties"]["LifecycleConfiguration"])).collect();
    // One rule for all that is there: what has a prefix or a tag would leave the rest.
    let days = json!({ "Rules": [{ "Id": "rows", "Status": "Enabled", "ExpirationInDays": 30 }] });
    assert_eq!(lives, [("InputsBucket", &days), ("MediaBucket", &Value::Null)]);
    Ok(())
}

#[test]
fn buckets_are_closed_to_the_public_encrypted_over_tls_and_without_older_versions() -> Result<()> {
    let template = Template::read()?;
    for (id, bucket) in template.resources("AWS::S3::Bucket") {
        let properties = &bucket["Properties"];
        assert_eq!(bucket["DeletionPolicy"], "Retain", "{id}");
        assert!(properties["BucketName"].is_null(), "{id}: a fixed name blocks a second stack");
        let public = properties["PublicAccessBlockConfiguration"].as_object().context("public access")?;
        assert!(public.len() == 4 && public.values().all(|blocked| blocked == true), "{id}: {public:?}");
        let encryption = &properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
        assert_eq!(encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256", "{id}");
        let owner = &properties["OwnershipControls"]["Rules"][0]["ObjectOwnership"];
        assert_eq!(owner, "BucketOwnerEnforced", "{id}");
        assert!(properties["VersioningConfiguration"].is_null(), "{id}: what is gone has no older version");
        let policies = template.resources("AWS::S3::BucketPolicy");
        let of_this = policies.values().find(|policy| policy["Properties"]["Bucket"]["Ref"] == *id);
        let statements = &of_this.context("no policy")?["Properties"]["PolicyDocument"]["Statement"];
        let arn = json!({ "Fn::GetAtt": format!("{id}.Arn") });
        let objects = json!({ "Fn::Sub": format!("${{{id}.Arn}}/*") });
        let expected = json!([{
            "Sid": "OverTlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [arn, objects], "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        }]);
        assert_eq!(*statements, expected, "{id}");
        assert_eq!(of_this.context("no policy")?["Condition"], "RequiresTls", "{id}");
    }
    assert_eq!(template.parameter("RequireTls")["Default"], "true");
    Ok(())
}

#[test]
fn indexes_hold_keys_only() -> Result<()> {
    let template = Template::read()?;
    let expected = |name: &str| {
        json!([{
            "IndexName": name,
            "KeySchema": [{ "AttributeName": "gpk", "KeyType": "HASH" }, { "AttributeName": "gsk", "KeyType": "RANGE" }],
            "Projection": { "ProjectionType": "KEYS_ONLY" },
        }])
    };
    let names = [
        ("CatalogTable", keys::EXTERNAL_INDEX),
        ("ConnectorsTable", keys::DUE_INDEX),
        ("RunsTable", keys::ACTIVE_INDEX),
    ];
    for (table, name) in names {
        let indexes = &template.resource(table)["Properties"]["GlobalSecondaryIndexes"];
        assert_eq!(*indexes, expected(name), "{table}");
    }
    Ok(())
}

#[test]
fn logs_are_structured_kept_for_a_time_and_never_hold_payloads() -> Result<()> {
    let template = Template::read()?;
    assert_eq!(template.function_globals()["Environment"]["Variables"]["RUST_LOG"], "info");
    let mut groups = BTreeSet::new();
    for function in template.functions()? {
        let logging = &function.properties["LoggingConfig"];
        assert_eq!(logging["LogFormat"], "JSON", "{}", function.id);
        assert_eq!(
            logging["ApplicationLogLevel"], "INFO",
            "{}: at trace the runtime writes payloads",
            function.id
        );
        let variables = &function.properties["Environment"]["Variables"];
        assert!(variables["RUST_LOG"].is_null(), "{}: one log level for all", function.id);
        let group = logging["LogGroup"]["Ref"].as_str().context("no log group")?;
        assert!(groups.insert(group.to_owned()), "{group} is shared");
        let written = rights(statements(&template, &function)?, &format!("\"{group}.Arn\""));
        let expected = ["logs:CreateLogStream", "logs:PutLogEvents"].map(str::to_owned);
        assert_eq!(written, BTreeSet::from(expected), "{}", function.id);
    }
    for (id, group) in template.resources("AWS::Logs::LogGroup") {
        assert_eq!(group["Properties"]["RetentionInDays"], json!({ "Ref": "LogRetentionDays" }), "{id}");
    }
    Ok(())
}

#[test]
fn access_logs_hold_no_address_as_asked_for() -> Result<()> {
    let template = Template::read()?;
    let stages = template.resources("AWS::ApiGatewayV2::Stage");
    assert_eq!(stages.len(), 1);
    for (id, stage) in stages {
        let format =
            stage["Properties"]["AccessLogSettings"]["Format"].as_str().context("no access log format")?;
        let parsed: BTreeMap<String, String> = serde_json::from_str(format).context("the format is JSON")?;
        for variable in parsed.values() {
            let harmless = [
                "$context.requestId",
                "$context.requestTime",
                "$context.routeKey",
                "$context.status",
                "$context.responseLength",
                "$context.responseLatency",
                "$context.identity.sourceIp",
                "$context.authorizer.error",
                "$context.integrationStatus",
            ];
            assert!(harmless.contains(&variable.as_str()), "{id} logs {variable}");
        }
    }
    Ok(())
}

#[test]
fn each_role_is_used_by_one_function_and_only_by_the_service() -> Result<()> {
    let template = Template::read()?;
    let mut used = BTreeSet::new();
    for function in template.functions()? {
        assert!(function.properties["Policies"].is_null(), "{}: rights stand in its role", function.id);
        let role = function.properties["Role"]["Fn::GetAtt"].as_str().context("no role")?;
        assert!(used.insert(role.trim_end_matches(".Arn").to_owned()), "{role} is shared");
    }
    let roles = template.resources("AWS::IAM::Role");
    assert_eq!(used, roles.keys().map(|id| (*id).to_owned()).collect());
    for (id, role) in roles {
        let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"];
        let expected = json!([{ "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" }]);
        assert_eq!(*trust, expected, "{id}");
    }
    Ok(())
}

#[test]
fn no_policy_uses_a_wildcard_beyond_our_own_prefix() -> Result<()> {
    let template = Template::read()?;
    for function in template.functions()? {
        for statement in statements(&template, &function)? {
            let at = format!("{}/{}", function.id, statement["Sid"]);
            assert_eq!(statement["Effect"], "Allow", "{at}");
            assert!(statement["NotAction"].is_null() && statement["NotResource"].is_null(), "{at}");
            assert!(!actions(statement).is_empty(), "{at}");
            for action in actions(statement) {
                assert!(!action.contains(['*', '?']), "{at}: {action}");
                assert!(!action.ends_with(":Scan"), "{at}: a scan reads every store");
            }
            for resource in many(&statement["Resource"]).into_iter().flat_map(texts) {
                assert!(!resource.contains('?'), "{at}: {resource}");
                if let Some(before) = resource.find('*').map(|star| &resource[..star]) {
                    assert!(before.len() + 1 == resource.len(), "{at}: only a suffix wildcard: {resource}");
                    let buckets = ["${InputsBucket.Arn}/", "${MediaBucket.Arn}/stores/"];
                    let ours = before.contains(":${AWS::StackName}/") || buckets.contains(&before);
                    assert!(ours, "{at}: not under our prefix: {resource}");
                    assert!(before.ends_with('/'), "{at}: {resource}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn history_is_added_to_and_read_never_changed() -> Result<()> {
    let template = Template::read()?;
    for function in template.functions()? {
        let found = rights(statements(&template, &function)?, "HistoryTable");
        // Whoever adds has to see the newest entry, to which the next one is chained.
        let allowed: &[&str] = match function.binary {
            "status" => &["dynamodb:Query"],
            _ if found.is_empty() => &[],
            _ => &["dynamodb:PutItem", "dynamodb:Query"],
        };
        assert!(found.iter().eq(allowed), "{}: {found:?}", function.id);
    }
    Ok(())
}

#[test]
fn each_function_has_these_rights() -> Result<()> {
    let template = Template::read()?;
    let mut golden = BTreeMap::new();
    for function in template.functions()? {
        let mut lines = BTreeSet::new();
        for statement in statements(&template, &function)? {
            for resource in many(&statement["Resource"]) {
                let resource = texts(resource).join(" ");
                lines.extend(actions(statement).iter().map(|action| format!("{action} on {resource}")));
            }
        }
        golden.insert(function.binary.to_owned(), lines);
    }
    insta::assert_json_snapshot!("rights", golden);
    Ok(())
}
