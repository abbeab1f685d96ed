//! A MiniStack of a test's own, on a port of its own, gone with the test.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_types::SdkConfig;
use shared::adapters::clients;

/// How long a start may take: several start at once on a small machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    process: Child,
    address: SocketAddr,
    pub config: SdkConfig,
    _folder: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test's own setting, not a function's")]
        let program = std::env::var("MINISTACK_BIN").expect(
            "MINISTACK_BIN is not set. `make setup` fetches MiniStack and `make test` sets the variable; \
             to run this test alone, set it to the `ministack` program of the stack's virtual environment",
        );
        let folder = tempfile::tempdir().unwrap();
        // The port is free between this listener and the server's own; whoever takes it meanwhile makes the start fail.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let endpoint = format!("http://{address}");
        let process = Command::new(&program)
            .envs([
                ("GATEWAY_PORT", address.port().to_string().as_str()),
                ("AWS_ENDPOINT_URL", &endpoint),
                ("BIND_HOST", "127.0.0.1"),
                ("IOT_MTLS_ENABLED", "0"),
                ("SFTP_ENABLED", "0"),
                ("TMPDIR", &folder.path().display().to_string()),
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start ({error}); run `make setup`"));
        let config = clients::settings()
            .endpoint_url(&endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .build();
        let mut server = Self { process, address, config, _folder: folder };
        server.wait().await;
        server
    }

    async fn wait(&mut self) {
        let ready = async {
            while !self.is_ready() {
                let ended = self.process.try_wait().unwrap();
                assert!(ended.is_none(), "MiniStack ended at its start: {ended:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("MiniStack is not ready");
    }

    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(
                b"GET /_ministack/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        clients::dynamodb(&self.config)
    }

    /// Makes a table with the keys that the template gives all of them, and its index, where it has one.
    pub async fn table(&self, name: &str, index: Option<&str>) -> String {
        let text = |name: &str| {
            let definition = AttributeDefinition::builder().attribute_name(name);
            definition.attribute_type(ScalarAttributeType::S).build().unwrap()
        };
        let key = |name: &str, kind| {
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
        };
        let mut call = self
            .dynamodb()
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(text("pk"))
            .attribute_definitions(text("sk"))
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range));
        if let Some(index) = index {
            let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
            call = call
                .attribute_definitions(text("gpk"))
                .attribute_definitions(text("gsk"))
                .global_secondary_indexes(
                    GlobalSecondaryIndex::builder()
                        .index_name(index)
                        .key_schema(key("gpk", KeyType::Hash))
                        .key_schema(key("gsk", KeyType::Range))
                        .projection(keys_only)
                        .build()
                        .unwrap(),
                );
        }
        call.send().await.unwrap();
        name.to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about one that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
