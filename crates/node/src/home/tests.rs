use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::clock::SystemClock;

fn options(home: &Path) -> InitOptions {
    InitOptions {
        home: home.to_path_buf(),
        institution: "North Bank".to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        advertise: "127.0.0.1:7443".to_owned(),
    }
}

async fn make(home: &Path) -> Result<Home, Error> {
    init(options(home), Arc::new(SystemClock)).await
}

#[tokio::test]
async fn a_home_is_made_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bank");
    let made = make(&path).await.unwrap();
    let opened = Home::open(&path, &BTreeMap::new(), Arc::new(SystemClock)).await.unwrap();
    assert_eq!(made.settings(), opened.settings());
    assert_eq!(made.keys().spki_pin(), opened.keys().spki_pin());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(path.join("state.db")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no staging directory is left");
}

#[tokio::test]
async fn an_existing_home_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bank");
    let made = make(&path).await.unwrap();
    assert_eq!(make(&path).await.unwrap_err().reason(), "HOME_EXISTS");
    let opened = Home::open(&path, &BTreeMap::new(), Arc::new(SystemClock)).await.unwrap();
    assert_eq!(made.keys().organisation_public(), opened.keys().organisation_public());
}

#[tokio::test]
async fn an_empty_directory_is_taken_and_one_with_files_refused() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    make(&empty).await.unwrap();
    let full = dir.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("data.csv"), "a\n").unwrap();
    assert_eq!(make(&full).await.unwrap_err().reason(), "INVALID_REQUEST");
    assert_eq!(std::fs::read_dir(&full).unwrap().count(), 1);
}

#[tokio::test]
async fn bad_names_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bank");
    for (institution, listen, advertise) in
        [("", "127.0.0.1:0", "a:1"), ("N", "7443", "a:1"), ("N", "127.0.0.1:0", "a b:1"), ("N", "127.0.0.1:0", "a")]
    {
        let options = InitOptions {
            home: path.clone(),
            institution: institution.to_owned(),
            listen: listen.to_owned(),
            advertise: advertise.to_owned(),
        };
        let error = init(options, Arc::new(SystemClock)).await.unwrap_err();
        assert_eq!(error.reason(), "CONFIG_VALUE");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn only_one_process_serves_a_home() {
    let dir = tempfile::tempdir().unwrap();
    let home = make(&dir.path().join("bank")).await.unwrap();
    let lock = home.lock().unwrap();
    assert_eq!(home.lock().unwrap_err().reason(), "HOME_IN_USE");
    drop(lock);
    home.lock().unwrap();
}

#[tokio::test]
async fn recovery_removes_results_without_a_record_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let home = make(&dir.path().join("bank")).await.unwrap();
    let results = home.settings().results_dir();
    let orphan = results.join(JobId::random().unwrap().to_string());
    std::fs::create_dir(&orphan).unwrap();
    std::fs::write(orphan.join("result.csv.part"), "half").unwrap();
    std::fs::write(results.join("notes.txt"), "the operator's own").unwrap();
    std::fs::create_dir(home.settings().spill_dir()).unwrap();
    std::fs::write(home.settings().spill_dir().join("frames"), "x").unwrap();
    let lock = home.lock().unwrap();
    assert_eq!(home.recover(&lock).await.unwrap(), Vec::new());
    assert!(!orphan.exists());
    assert!(!home.settings().spill_dir().exists());
    assert!(results.join("notes.txt").exists());
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bank");
    drop(make(&path).await.unwrap());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path.join("state.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let sql = "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
               VALUES (999, 'future', '2026-01-01', 1, x'00', 0)";
    sqlx::query(sql).execute(&pool).await.unwrap();
    pool.close().await;
    let error = Home::open(&path, &BTreeMap::new(), Arc::new(SystemClock)).await.unwrap_err();
    assert_eq!(error.reason(), "DATABASE_VERSION");
}
