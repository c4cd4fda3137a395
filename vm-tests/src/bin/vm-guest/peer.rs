//! Both ends of sockets: who connects, and who answers.

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram, UnixStream},
    },
};

use nix::sys::socket::{MsgFlags, SockaddrStorage, recvfrom, sendto};

use crate::say;

/// Someone to talk to.
trait Stream: io::Read + io::Write {
    fn end(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn end(&self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

impl Stream for UnixStream {
    fn end(&self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

fn connect(address: &str) -> io::Result<Box<dyn Stream>> {
    match address.split_once(':') {
        Some(("tcp", at)) => Ok(Box::new(TcpStream::connect(at)?)),
        Some(("unix", path)) => match path.strip_prefix('@') {
            Some(name) => Ok(Box::new(UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?)),
            None => Ok(Box::new(UnixStream::connect(path)?)),
        },
        _ => Err(io::Error::other("an address is `tcp:HOST:PORT` or `unix:PATH`")),
    }
}

/// Says a line to whoever listens at an address, and shows all that comes back until the other side has ended too.
pub fn talk(words: &[String]) -> io::Result<()> {
    let [address, line] = words else { return Err(io::Error::other("it is `talk ADDRESS LINE`")) };
    let mut stream = connect(address)?;
    writeln!(stream, "{line}")?;
    stream.end()?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Who has answered need not have read what was said.
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset || answer.is_empty() => Err(error),
        Ok(_) | Err(_) => io::stdout().write_all(&answer),
    }
}

/// Sends a message to an address, and shows the one that comes back.
pub fn send(words: &[String]) -> io::Result<()> {
    let [address, line] = words else { return Err(io::Error::other("it is `send ADDRESS LINE`")) };
    let mut buffer = [0; 4096];
    let length = match address.split_once(':') {
        Some(("udp", at)) => {
            let socket = UdpSocket::bind(if at.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
            socket.connect(at)?;
            socket.send(line.as_bytes())?;
            socket.recv(&mut buffer)?
        }
        Some(("unix", path)) => {
            let own = format!("{path}.{}", std::process::id());
            let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(own)?)?;
            socket.send_to(line.as_bytes(), path)?;
            socket.recv(&mut buffer)?
        }
        _ => return Err(io::Error::other("an address is `udp:HOST:PORT` or `unix:PATH`")),
    };
    say(&String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()))
}

/// Connects so many times at once, and says how many of the connections are answered, and how many were closed.
pub fn flood(words: &[String]) -> io::Result<()> {
    let [address, count] = words else { return Err(io::Error::other("it is `flood ADDRESS COUNT`")) };
    let count: u32 = count.parse().map_err(io::Error::other)?;
    let streams = (0..count).map(|_| connect(address)).collect::<io::Result<Vec<_>>>()?;
    let (mut answered, mut closed) = (0_u32, 0_u32);
    let mut kept = Vec::new();
    for mut stream in streams {
        let mut byte = [0];
        let said = stream.write_all(b"?").and_then(|()| stream.read(&mut byte));
        if matches!(said, Ok(1)) {
            answered = answered.saturating_add(1);
            kept.push(stream);
        } else {
            closed = closed.saturating_add(1);
        }
    }
    say(&format!("{answered} answered, {closed} closed"))
}

/// Answers one message on standard input with what it was, and ends.
pub fn answer() -> io::Result<()> {
    let mut buffer = [0; 4096];
    let (length, from) = recvfrom::<SockaddrStorage>(0, &mut buffer)?;
    let from = from.ok_or_else(|| io::Error::other("who was it?"))?;
    let said = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
    let fds = env::var("LISTEN_FDS").unwrap_or_default();
    sendto(0, format!("you said {said}{fds}").as_bytes(), &from, MsgFlags::empty())?;
    Ok(())
}
