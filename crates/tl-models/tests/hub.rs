//! Against a small server on this machine's loopback interface that answers as a hub does.

use tl_models::weights::HubOptions;
use tl_models::weights::hub::fetch;

#[cfg(not(feature = "hub"))]
#[test]
fn without_the_feature_a_hub_source_says_which_one_to_build_with() {
    let message = fetch("owner", "repo", "model.safetensors", None, &HubOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("hub:owner/repo/model.safetensors") && message.contains("--features hub"),
        "{message}"
    );
}

#[cfg(feature = "hub")]
mod with_client {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread::JoinHandle;
    use std::time::Duration;

    use sha2::{Digest, Sha256};

    use super::*;
    use tl_models::weights::WeightsError;

    const COMMIT: &str = "0123456789012345678901234567890123456789";

    /// What the server does; it counts what it was asked.
    struct Behaviour {
        body: Vec<u8>,
        /// What the hub calls the file: its sha256 for a large file.
        etag: String,
        /// How many of the next downloads end after half of what they promised.
        cuts: AtomicUsize,
        /// The `Range` of each request in order.
        ranges: Mutex<Vec<String>>,
    }

    /// A hub that ends, at the latest, when it goes out of scope.
    struct FakeHub {
        address: SocketAddr,
        behaviour: Arc<Behaviour>,
        over: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    }

    impl FakeHub {
        fn new(body: &[u8], etag: &str, cuts: usize) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let behaviour = Arc::new(Behaviour {
                body: body.to_vec(),
                etag: etag.to_owned(),
                cuts: AtomicUsize::new(cuts),
                ranges: Mutex::default(),
            });
            let over = Arc::new(AtomicBool::new(false));
            let (shared, ending) = (Arc::clone(&behaviour), Arc::clone(&over));
            let thread = std::thread::spawn(move || {
                for connection in listener.incoming().take(20) {
                    if ending.load(Ordering::SeqCst) {
                        return;
                    }
                    // A client that goes away is no concern of the server's.
                    let _ = answer(connection.unwrap(), &shared);
                }
            });
            Self { address, behaviour, over, thread: Some(thread) }
        }

        fn options(&self, cache: &Path) -> HubOptions {
            let endpoint = Some(format!("http://{}/", self.address));
            HubOptions { endpoint, cache: Some(cache.to_owned()), ..HubOptions::default() }
        }

        fn ranges(&self) -> Vec<String> {
            self.behaviour.ranges.lock().unwrap().clone()
        }
    }

    impl Drop for FakeHub {
        fn drop(&mut self) {
            self.over.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address); // wakes the listener
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }

    fn answer(mut connection: TcpStream, behaviour: &Behaviour) -> std::io::Result<()> {
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let lines: Vec<String> = BufReader::new(&connection)
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        if !lines[0].starts_with("GET /owner/repo/resolve/main/folder/model.safetensors ") {
            return connection.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        let range = lines
            .iter()
            .find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let range = range.unwrap();
        behaviour.ranges.lock().unwrap().push(range.clone());
        let (start, end) = range.split_once('-').unwrap();
        let (start, length) = (start.parse::<usize>().unwrap(), behaviour.body.len());
        let end = end.parse::<usize>().map_or(length, |end| end + 1);
        let part = &behaviour.body[start..end];
        let download = end == length && range.ends_with('-');
        let cut = download
            && behaviour
                .cuts
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |cuts| cuts.checked_sub(1))
                .is_ok();
        write!(
            connection,
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{length}\r\n\
             ETag: \"{}\"\r\nX-Repo-Commit: {COMMIT}\r\nConnection: close\r\n\r\n",
            part.len(),
            end - 1,
            behaviour.etag,
        )?;
        connection.write_all(if cut { &part[..part.len() / 2] } else { part })
    }

    fn body() -> Vec<u8> {
        (0..10_000u32).map(|index| (index % 251) as u8).collect()
    }

    fn hash(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn get(options: &HubOptions) -> Result<std::path::PathBuf, WeightsError> {
        fetch("owner", "repo", "folder/model.safetensors", None, options)
    }

    /// The finished files of the cache: not the remainders, locks and references.
    fn finished(cache: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for folder in ["blobs", &format!("snapshots/{COMMIT}/folder")] {
            let entries = std::fs::read_dir(cache.join("models--owner--repo").join(folder));
            let names = entries
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap());
            found.extend(names.filter(|name| !name.ends_with(".part") && !name.ends_with(".lock")));
        }
        found
    }

    #[test]
    fn a_file_is_downloaded_once_and_then_comes_from_the_cache() {
        let cache = tempfile::tempdir().unwrap();
        let hub = FakeHub::new(&body(), &hash(&body()), 0);
        let path = get(&hub.options(cache.path())).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), body());
        assert_eq!(hub.ranges(), ["0-0", "0-"]);
        assert_eq!(get(&hub.options(cache.path())).unwrap(), path);
        assert_eq!(hub.ranges().len(), 2, "the second time nobody was asked");
    }

    #[test]
    fn a_cut_download_is_an_error_that_leaves_no_finished_file_and_the_next_try_goes_on() {
        let cache = tempfile::tempdir().unwrap();
        let hub = FakeHub::new(&body(), &hash(&body()), 1);
        let message = get(&hub.options(cache.path())).unwrap_err().to_string();
        assert!(
            message.contains("broke off")
                && message.contains("try again")
                && message.lines().count() == 1,
            "{message}"
        );
        assert!(finished(cache.path()).is_empty());
        let path = get(&hub.options(cache.path())).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), body());
        assert_eq!(hub.ranges(), ["0-0", "0-", "0-0", "5000-"]);
    }

    #[test]
    fn a_file_with_another_hash_than_the_hub_says_is_removed() {
        let cache = tempfile::tempdir().unwrap();
        let hub = FakeHub::new(&body(), &hash(b"something else"), 0);
        let message = get(&hub.options(cache.path())).unwrap_err().to_string();
        assert!(
            message.contains(&hash(&body())) && message.contains(&hash(b"something else")),
            "{message}"
        );
        assert!(finished(cache.path()).is_empty());
    }

    #[test]
    fn a_file_with_another_hash_than_asked_for_is_removed_when_it_comes_and_when_it_is_cached() {
        let cache = tempfile::tempdir().unwrap();
        let hub = FakeHub::new(&body(), "a-name-that-is-no-hash", 0);
        let wrong =
            HubOptions { sha256: Some(hash(b"something else")), ..hub.options(cache.path()) };
        assert!(matches!(get(&wrong), Err(WeightsError::WrongHash { .. })));
        assert!(finished(cache.path()).is_empty());
        let right =
            HubOptions { sha256: Some(hash(&body()).to_uppercase()), ..hub.options(cache.path()) };
        get(&right).unwrap();
        assert!(matches!(get(&wrong), Err(WeightsError::WrongHash { .. })));
        assert!(finished(cache.path()).is_empty());
    }

    #[test]
    fn offline_a_filled_cache_serves_and_an_empty_one_is_one_clear_line() {
        let cache = tempfile::tempdir().unwrap();
        let hub = FakeHub::new(&body(), &hash(&body()), 0);
        let offline = HubOptions { offline: true, ..hub.options(cache.path()) };
        let message = get(&offline).unwrap_err().to_string();
        assert!(message.contains("not in the cache") && message.lines().count() == 1, "{message}");
        let path = get(&hub.options(cache.path())).unwrap();
        assert_eq!(get(&offline).unwrap(), path);

        // Without the word: a hub that nobody serves any more.
        let options = hub.options(cache.path());
        drop(hub);
        assert_eq!(get(&options).unwrap(), path);
        let message = fetch("owner", "repo", "other.bin", None, &options).unwrap_err().to_string();
        assert!(
            message.contains("check the connection") && message.lines().count() == 1,
            "{message}"
        );
    }

    #[test]
    fn a_file_that_the_hub_does_not_have_is_named() {
        let cache = tempfile::tempdir().unwrap();
        let hub = FakeHub::new(&body(), "x", 0);
        let message = fetch("owner", "repo", "absent.bin", Some("v2"), &hub.options(cache.path()))
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("hub:owner/repo/absent.bin@v2: not found"), "{message}");
    }
}
