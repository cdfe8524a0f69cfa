use super::*;
use crate::result::tests::manifest;
use crate::store::JobId;

const TEXT: &[u8] = b"id,name,grade\n2,Bob,A\n3,Cy,B\n";

/// A sealed file in a directory of its own, and what opens it.
struct Scene {
    dir: tempfile::TempDir,
    key: Seed,
    manifest: Manifest,
}

impl Scene {
    fn new(text: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = Seed::random().unwrap();
        let mut manifest = manifest(JobId::random().unwrap());
        let context = SealingContext::of(&manifest);
        let mut file = SealedFile::create(dir.path(), "result.csv".to_owned(), &key, &context).unwrap();
        file.write_all(text).unwrap();
        let sha256 = Sha256::digest(text).into();
        let (sealed_bytes, sealed_sha256) = file.finish().unwrap();
        let described = manifest.file.as_mut().unwrap();
        described.bytes = text.len() as u64;
        described.sha256 = hex::encode::<[u8; 32]>(sha256);
        described.sealed_bytes = Some(sealed_bytes);
        described.sealed_sha256 = Some(hex::encode(sealed_sha256));
        Self { dir, key, manifest }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("result.csv.sealed")
    }

    fn read_as(&self, key: &Seed, manifest: &Manifest, name: &str) -> Result<Vec<u8>, Error> {
        let reader = Reader::open(&self.path(), Some(key), manifest, name)?;
        let mut out = Vec::new();
        reader.copy(manifest.file.as_ref().unwrap(), Path::new("memory"), &mut out)?;
        Ok(out)
    }

    fn read(&self) -> Result<Vec<u8>, Error> {
        self.read_as(&self.key, &self.manifest, "result.csv")
    }
}

fn changed(result: Result<Vec<u8>, Error>) -> bool {
    result.unwrap_err().reason() == "RESULT_CHANGED"
}

#[test]
fn a_sealed_file_gives_its_content_and_shows_nothing_of_it() {
    for text in [TEXT.to_vec(), Vec::new(), vec![b'x'; 100_000]] {
        let scene = Scene::new(&text);
        assert_eq!(scene.read().unwrap(), text);
        let sealed = std::fs::read(scene.path()).unwrap();
        let described = scene.manifest.file.as_ref().unwrap();
        assert_eq!(described.sealed_bytes, Some(sealed.len() as u64));
        assert_eq!(described.sealed_sha256, Some(hex::encode(Sha256::digest(&sealed))));
        let shown = |own: &[u8]| sealed.windows(6).any(|window| window == own);
        assert!(!text.chunks_exact(6).take(8).any(shown));
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(scene.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_found() {
    let scene = Scene::new(TEXT);
    let sealed = std::fs::read(scene.path()).unwrap();
    for at in 0..sealed.len() {
        let mut other = sealed.clone();
        other[at] ^= 1;
        std::fs::write(scene.path(), &other).unwrap();
        assert!(changed(scene.read()), "byte {at}");
        std::fs::write(scene.path(), &sealed[..at]).unwrap();
        assert!(changed(scene.read()), "length {at}");
    }
    std::fs::write(scene.path(), [&sealed[..], &[0]].concat()).unwrap();
    assert!(changed(scene.read()), "a byte more");
    std::fs::write(scene.path(), &sealed).unwrap();
    assert_eq!(scene.read().unwrap(), TEXT);
}

#[test]
fn a_file_opens_for_its_own_job_only() {
    let scene = Scene::new(TEXT);
    let change = |edit: fn(&mut Manifest)| {
        let mut manifest = scene.manifest.clone();
        edit(&mut manifest);
        changed(scene.read_as(&scene.key, &manifest, "result.csv"))
    };
    assert!(change(|manifest| manifest.job = JobId::from_bytes([9; 16]).to_string()));
    assert!(change(|manifest| manifest.agreement = hex::encode([9; 32])));
    assert!(change(|manifest| manifest.sid = hex::encode([9; 32])));
    assert!(change(|manifest| manifest.role = "sender".to_owned()));
    assert!(change(|manifest| manifest.own.table = "other".to_owned()));
    assert!(change(|manifest| manifest.own.table_sha256 = Some(hex::encode([9; 32]))));
    assert!(changed(scene.read_as(&scene.key, &scene.manifest, "result.parquet")));
    assert!(changed(scene.read_as(&Seed::random().unwrap(), &scene.manifest, "result.csv")));
    // The file of another job in this one's place.
    let other = Scene::new(TEXT);
    std::fs::copy(other.path(), scene.path()).unwrap();
    assert!(changed(scene.read()));
}

#[test]
fn a_digest_that_differs_from_the_manifest_is_found_at_the_end() {
    let scene = Scene::new(TEXT);
    let mut manifest = scene.manifest.clone();
    manifest.file.as_mut().unwrap().sha256 = hex::encode([0; 32]);
    assert!(changed(scene.read_as(&scene.key, &manifest, "result.csv")));
    let mut manifest = scene.manifest.clone();
    manifest.file.as_mut().unwrap().bytes += 1;
    assert!(changed(scene.read_as(&scene.key, &manifest, "result.csv")));
}
