//! Different: hyper without a framework, fastwebsockets instead of
//! tungstenite, and a task that writes beside the one that reads. It pings
//! its clients all the time, and each HTTP answer takes a tenth of a second.

use std::{convert::Infallible, env, process, time::Duration};

use fastwebsockets::{
    CloseCode, Frame, OpCode, Payload, Role, WebSocket, WebSocketError,
    upgrade::{UpgradeFut, is_upgrade_request, upgrade},
};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, empty, join, sink, split},
    net::TcpListener,
    select, spawn,
    sync::mpsc,
    time::{interval, sleep, timeout},
};

const TEXT_LIMIT: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
            process::exit(1)
        });
    let address = listener.local_addr().expect("it is bound");
    println!("hyper and fastwebsockets are at http://{address}");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), service_fn(serve))
            .with_upgrades();
        spawn(connection);
    }
}

type Answer = Response<Full<Bytes>>;

async fn serve(mut request: Request<Incoming>) -> Result<Answer, Infallible> {
    sleep(Duration::from_millis(100)).await;
    let speaks = match request.uri().path() {
        "/ws" => Speaks::Text,
        "/ws/json" => Speaks::Json,
        "/ws/any" => Speaks::Anything,
        _ => return Ok(resource(&request)),
    };
    if request.method() != Method::GET
        || request.version() != Version::HTTP_11
        || !is_upgrade_request(&request)
    {
        return Ok(answer(StatusCode::BAD_REQUEST, "text/plain", "no"));
    }
    let Ok((response, socket)) = upgrade(&mut request) else {
        let mut refusal = answer(StatusCode::BAD_REQUEST, "text/plain", "13, and a key");
        let version = HeaderValue::from_static("13");
        refusal
            .headers_mut()
            .insert("sec-websocket-version", version);
        return Ok(refusal);
    };
    spawn(converse(socket, speaks));
    Ok(response.map(|_| Full::default()))
}

fn resource(request: &Request<Incoming>) -> Answer {
    if !matches!(request.uri().path(), "/" | "/accept") {
        return answer(StatusCode::NOT_FOUND, "text/plain", "nothing here");
    }
    if request.method() != Method::GET {
        return answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET it");
    }
    if request.uri().path() == "/" {
        let page = include_str!("page.html");
        return answer(StatusCode::OK, "text/html;charset=UTF-8", page);
    }
    let query = request.uri().query().unwrap_or_default();
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key="));
    let accept = accept_key(key.unwrap_or_default());
    answer(StatusCode::OK, "text/plain", accept)
}

fn answer(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn accept_key(escaped: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use sha1::{Digest, Sha1};

    // Of what is escaped in a URL, only these three occur in base64.
    let key = escaped
        .replace("%2B", "+")
        .replace("%2b", "+")
        .replace("%2F", "/")
        .replace("%2f", "/")
        .replace("%3D", "=")
        .replace("%3d", "=");
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

/// What a route is for.
#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Text,
    Json,
    Anything,
}

/// Why a conversation is over.
enum Bye {
    /// Nobody is there to be told.
    Gone,
    /// What our Close carries: what theirs carried, or why we do not go on.
    Close(Vec<u8>),
}

impl Bye {
    fn with(code: CloseCode) -> Self {
        Bye::Close(u16::from(code).to_be_bytes().to_vec())
    }
}

impl From<WebSocketError> for Bye {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::UnexpectedEOF
            | WebSocketError::ConnectionClosed
            | WebSocketError::IoError(_)
            | WebSocketError::HTTPError(_) => Bye::Gone,
            WebSocketError::InvalidUTF8 => Bye::with(CloseCode::Invalid),
            WebSocketError::FrameTooLarge => Bye::with(CloseCode::Size),
            _ => Bye::with(CloseCode::Protocol),
        }
    }
}

/// Where frames wait for the task that writes.
type Out = mpsc::Sender<Frame<'static>>;

async fn converse(socket: UpgradeFut, speaks: Speaks) {
    let Ok(socket) = socket.await else { return };
    // One half of a connection is a connection whose other half is empty.
    let (incoming, outgoing) = split(socket.into_inner());
    let mut reader = WebSocket::after_handshake(join(incoming, sink()), Role::Server);
    let writer = WebSocket::after_handshake(join(empty(), outgoing), Role::Server);
    let (out, frames) = mpsc::channel(16);
    let mut writing = spawn(write(writer, frames, speaks));

    if let Err(Bye::Close(payload)) = talk(&mut reader, &out, speaks).await {
        let goodbye = out.send(Frame::close_raw(payload.into()));
        let _ = timeout(PATIENCE, goodbye).await;
    }
    drop(out);
    // What is left unread would make the kernel reset the connection.
    let _ = timeout(PATIENCE, copy(&mut reader.into_inner(), &mut sink())).await;
    if timeout(PATIENCE, &mut writing).await.is_err() {
        writing.abort();
    }
}

async fn write<S>(
    mut writer: WebSocket<S>,
    mut frames: mpsc::Receiver<Frame<'static>>,
    speaks: Speaks,
) -> Result<(), WebSocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut heartbeat = interval(Duration::from_millis(30));
    loop {
        let frame = select! {
            frame = frames.recv() => match frame {
                Some(frame) => frame,
                None => break,
            },
            // A conformance suite wants to see nothing but answers.
            _ = heartbeat.tick(), if speaks != Speaks::Anything => {
                let payload = Payload::Borrowed(b"still there?");
                Frame::new(true, OpCode::Ping, None, payload)
            }
        };
        let last = frame.opcode == OpCode::Close;
        writer.write_frame(frame).await?;
        if last {
            break;
        }
    }
    Ok(writer.into_inner().shutdown().await?)
}

async fn talk<S>(reader: &mut WebSocket<S>, out: &Out, speaks: Speaks) -> Result<(), Bye>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limit = match speaks {
        Speaks::Anything => 64 * 1024 * 1024,
        _ => TEXT_LIMIT,
    };
    reader.set_auto_close(false);
    reader.set_auto_pong(false);
    // The crate refuses what is as long as its maximum.
    reader.set_max_message_size(limit + 1);

    if speaks == Speaks::Text {
        let welcome = json!({ "sender": "server", "message": "welcome" });
        say(out, OpCode::Text, welcome.to_string().into()).await?;
    }
    loop {
        let (kind, payload) = message(reader, out, speaks, limit).await?;
        let payload = match speaks {
            Speaks::Json => json_answer(&payload).into_bytes(),
            Speaks::Text | Speaks::Anything => payload,
        };
        say(out, kind, payload).await?;
    }
}

async fn say(out: &Out, kind: OpCode, payload: Vec<u8>) -> Result<(), Bye> {
    let frame = Frame::new(true, kind, None, payload.into());
    out.send(frame).await.map_err(|_| Bye::Gone)
}

/// Reads frames until they make a message.
async fn message<S>(
    reader: &mut WebSocket<S>,
    out: &Out,
    speaks: Speaks,
    limit: usize,
) -> Result<(OpCode, Vec<u8>), Bye>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut begun: Option<(OpCode, Vec<u8>)> = None;
    loop {
        let mut frame = reader.read_frame().await?;
        // The crate lets frames without a mask pass, but their head tells.
        let mut head = [0; 16];
        frame.fmt_head(&mut head);
        let control = matches!(frame.opcode, OpCode::Close | OpCode::Ping | OpCode::Pong);
        if head[1] & 0x80 == 0 || (control && frame.payload.len() > 125) {
            return Err(Bye::with(CloseCode::Protocol));
        }
        let last = frame.fin;
        match (frame.opcode, &mut begun) {
            (OpCode::Ping, _) => say(out, OpCode::Pong, frame.payload.into()).await?,
            (OpCode::Pong, _) => {}
            (OpCode::Close, _) => return Err(farewell(frame.payload.into())),
            (OpCode::Binary, _) if speaks != Speaks::Anything => {
                return Err(Bye::with(CloseCode::Unsupported));
            }
            (OpCode::Text | OpCode::Binary, None) => {
                begun = Some((frame.opcode, frame.payload.into()));
            }
            (OpCode::Continuation, Some((_, payload))) => {
                payload.extend_from_slice(&frame.payload);
            }
            _ => return Err(Bye::with(CloseCode::Protocol)),
        }
        if control {
            continue;
        }
        if begun
            .as_ref()
            .is_some_and(|(_, payload)| payload.len() > limit)
        {
            return Err(Bye::with(CloseCode::Size));
        }
        if last && let Some((kind, payload)) = begun.take() {
            if kind == OpCode::Text && str::from_utf8(&payload).is_err() {
                return Err(Bye::with(CloseCode::Invalid));
            }
            return Ok((kind, payload));
        }
    }
}

/// The answer to a Close that carries this.
fn farewell(payload: Vec<u8>) -> Bye {
    match payload.as_slice() {
        [] => Bye::Close(payload),
        [high, low, reason @ ..] => {
            let code = CloseCode::from(u16::from_be_bytes([*high, *low]));
            if !code.is_allowed() {
                Bye::with(CloseCode::Protocol)
            } else if str::from_utf8(reason).is_err() {
                Bye::with(CloseCode::Invalid)
            } else {
                Bye::Close(vec![*high, *low])
            }
        }
        [_] => Bye::with(CloseCode::Protocol),
    }
}

fn json_answer(text: &[u8]) -> String {
    let said: Value = serde_json::from_slice(text).unwrap_or_default();
    match (&said["sender"], &said["message"]) {
        (sender @ Value::String(_), message @ Value::String(_)) => {
            format!("\t{{ \"message\" : {message}\r\n, \"sender\":{sender} }}  ")
        }
        _ => r#"  {"error" : "Two strings, \"sender\" and \"message\", and all is well."}"#
            .to_string(),
    }
}
