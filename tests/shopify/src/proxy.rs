//! A CONNECT proxy that leads Shopify's names to the simulator and everything else nowhere.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::bulk::link::RESULT_HOST;
use crate::images::FILE_HOST;
use crate::server::Simulator;
use crate::shop::lock;

const LONGEST_HEAD: usize = 16 * 1024;

/// Whether a host belongs to the simulated Shopify.
#[must_use]
pub fn is_ours(host: &str) -> bool {
    let shop =
        host.strip_suffix(".myshopify.com").is_some_and(|label| !label.is_empty() && !label.contains('.'));
    shop || host == RESULT_HOST || host == FILE_HOST
}

/// Serves the proxy.
pub async fn serve(listener: TcpListener, target: SocketAddr, simulator: Arc<Simulator>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let simulator = Arc::clone(&simulator);
        tokio::spawn(async move {
            // Whatever breaks off here, breaks off for the client too.
            let _ = connect(stream, target, &simulator).await;
        });
    }
}

async fn connect(mut client: TcpStream, target: SocketAddr, simulator: &Simulator) -> std::io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if head.len() > LONGEST_HEAD || client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    };
    let request = String::from_utf8_lossy(&head[..end]).into_owned();
    let mut words = request.split_whitespace();
    let (method, authority) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_lowercase();
    if method != "CONNECT" || !is_ours(&host) || !authority.ends_with(":443") {
        *lock(&simulator.refused).entry(authority.to_owned()).or_default() += 1;
        client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
        return Ok(());
    }
    let mut server = TcpStream::connect(target).await?;
    client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await?;
    server.write_all(&head[end..]).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
