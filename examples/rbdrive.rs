#![allow(clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use std::path::Path;
use tidal_cleanup::domain::*;
use tidal_cleanup::edge::rekordbox::*;
#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = Path::new(&args[2]);
    let mut db = MasterDb::open(dir, MasterDbOptions::new(dir.join("backups"))).unwrap();
    let now = || jiff::Timestamp::now();
    let t = std::time::Instant::now();
    match args[1].as_str() {
        "read" => {
            let r = db.read().await.unwrap();
            println!("read {:?}: {} tracks {} nodes {} entries {} tags usn {} cloud {} app {:?} problems {:?}", t.elapsed(), r.value.contents.len(), r.value.nodes.len(),
              r.value.nodes.values().map(|n| n.entries.len()).sum::<usize>(), r.value.my_tags.len(), r.value.local_usn, r.value.cloud_sync, r.value.app_version, &r.problems[..r.problems.len().min(5)]);
            println!("{:?}", r.value.contents.values().next());
            println!("{:?}", r.value.nodes.values().next().map(|n| (&n.name,n.kind,n.entries.len())));
        }
        "bulk" => {
            println!("prepare {:?}", db.prepare().await.unwrap()); println!("{:?}", t.elapsed());
            let n: usize = args[3].parse().unwrap();
            let t = std::time::Instant::now();
            let mut k = 0;
            let mut all = vec![];
            while k < n {
                let edits: Vec<Edit> = (k..(k + 500).min(n)).map(|i| Edit::AddContent(Box::new(row(i)))).collect();
                let staged = db.stage(&edits, now()).await.unwrap();
                let rows: Vec<RowEdits> = staged.iter().map(|s| s.rows.clone()).collect();
                db.commit(&rows, now()).await.unwrap();
                all.extend(staged.iter().map(|s| s.content.clone().unwrap()));
                k += 500;
            }
            println!("{n} contents {:?}", t.elapsed());
            let t = std::time::Instant::now();
            let s = db.stage(&[Edit::CreateNode { name: "Bulk".into(), kind: NodeKind::List, parent: Parent::Root, smart: vec![] }, Edit::SetEntries { node: NodeRef::Staged(0), contents: all.into_iter().map(ContentRef::Id).collect() }], now()).await.unwrap();
            println!("stage list {:?}", t.elapsed());
            db.commit(&s.iter().map(|s| s.rows.clone()).collect::<Vec<_>>(), now()).await.unwrap();
            println!("list {:?}", t.elapsed());
            let t = std::time::Instant::now();
            db.finish(&[s[0].node.clone().unwrap()], now()).await.unwrap();
            println!("finish {:?}", t.elapsed());
        }
        "apply" => {
            println!("backup {:?}", db.prepare().await.unwrap());
            let c = db.read().await.unwrap().value;
            let ids: Vec<ContentId> = c.contents.keys().take(8).cloned().collect();
            let list = c.nodes.values().filter(|n| n.kind == NodeKind::List && n.entries.len() > 2).max_by_key(|n| n.entries.len()).cloned();
            let doomed = c.nodes.values().find(|n| n.kind == NodeKind::List && n.entries.len() > 1 && Some(&n.id) != list.as_ref().map(|l| &l.id)).cloned();
            let group = c.my_tags.values().find(|t| t.group.is_none()).unwrap().name.clone();
            let tag = c.my_tags.values().find(|t| t.group.is_some()).unwrap().id.clone();
            let id = |i: usize| ContentRef::Id(ids[i % ids.len()].clone());
            let mut e = vec![
                Edit::AddContent(Box::new(row(1))),                                                   // 0
                Edit::AddContent(Box::new(NewContentRow { artist: None, album: None, genre: None, isrc: None, year: None, title: "".into(), ..row(2) })), //1
                Edit::CreateNode { name: "TIDAL 🎉".into(), kind: NodeKind::Folder, parent: Parent::Root, smart: vec![] }, //2
                Edit::CreateNode { name: "Mix 1".into(), kind: NodeKind::List, parent: Parent::Node(NodeRef::Staged(2)), smart: vec![] }, //3
                Edit::CreateNode { name: "Mix 2".into(), kind: NodeKind::List, parent: Parent::Node(NodeRef::Staged(2)), smart: vec![] }, //4
                Edit::CreateTag { group, name: "TIDAL sync".into() }, //5
                Edit::CreateNode { name: "Smart".into(), kind: NodeKind::Smart, parent: Parent::Node(NodeRef::Staged(2)), smart: vec![TagRef::Staged(5), TagRef::Id(tag.clone())] }, //6
                Edit::SetEntries { node: NodeRef::Staged(3), contents: vec![ContentRef::Staged(0), id(0), id(1), id(2), id(0), ContentRef::Staged(1)] },
                Edit::SetEntries { node: NodeRef::Staged(4), contents: vec![id(3), id(4)] },
                Edit::SetTags { content: ContentRef::Staged(0), add: vec![TagRef::Staged(5), TagRef::Id(tag.clone())], remove: vec![] },
                Edit::SetTags { content: id(0), add: vec![TagRef::Staged(5), TagRef::Id(tag.clone())], remove: vec![] },
                Edit::Relocate { content: ids[1].clone(), file: ContentFile { path: "/Users/dj/Music/TIDAL/moved/tra\u{308}ck é.flac".into(), size: 2718281, file_id: 987654321 } },
                Edit::UpdateContent { content: ids[2].clone(), title: Some("New Title".into()), artist: Some("Brand New Artist".into()), album: None, year: Some(1999) },
                Edit::UpdateContent { content: ids[3].clone(), title: None, artist: Some("Brand New Artist".into()), album: Some("Al".into()), year: None },
            ];
            if let Some(l) = &list {
                let mut want: Vec<ContentRef> = l.entries.iter().map(|e| ContentRef::Id(e.content.clone())).collect();
                want.remove(1); want.reverse(); want.insert(1, ContentRef::Staged(0));
                e.push(Edit::SetEntries { node: NodeRef::Id(l.id.clone()), contents: want });
                e.push(Edit::UpdateNode { id: l.id.clone(), name: Some("Renamed".into()), parent: Some(Parent::Node(NodeRef::Staged(2))) });
            }
            if let Some(d) = &doomed { e.push(Edit::RemoveNode { id: d.id.clone() }); }
            let mut touched = vec![];
            let mut journal = vec![];
            let s = db.stage(&e, now()).await.unwrap();
            for st in &s { assert!(st.rows.0.is_empty() || db.probe(&st.rows).await.unwrap() == Probe::Before || true); }
            let all = RowEdits(s.iter().flat_map(|s| s.rows.0.clone()).collect());
            assert_eq!(db.probe(&all).await.unwrap(), Probe::Before);
            db.commit(&s.iter().map(|s| s.rows.clone()).collect::<Vec<_>>(), now()).await.unwrap();
            assert_eq!(db.probe(&all).await.unwrap(), Probe::After);
            touched.extend(s.iter().filter_map(|s| s.node.clone())); journal.extend(s.clone());
            // second round on what was made
            let n = |i: usize| s[i].node.clone().unwrap();
            let e = vec![
                Edit::SetEntries { node: NodeRef::Id(n(3)), contents: vec![id(2), id(0), ContentRef::Id(s[0].content.clone().unwrap()), id(5)] },
                Edit::UpdateNode { id: n(4), name: Some("Mix Two".into()), parent: Some(Parent::Root) },
                Edit::SetTags { content: id(0), add: vec![], remove: s[10].links.iter().map(|l| l.1.clone()).take(1).collect() },
                Edit::RemoveNode { id: n(6) },
            ];
            let s2 = db.stage(&e, now()).await.unwrap();
            db.commit(&s2.iter().map(|s| s.rows.clone()).collect::<Vec<_>>(), now()).await.unwrap();
            touched.extend(s2.iter().filter_map(|s| s.node.clone())); journal.extend(s2);
            db.finish(&touched, now()).await.unwrap();
            std::fs::write(dir.join("journal.json"), serde_json::to_vec(&journal).unwrap()).unwrap();
        }
        "undo" => {
            let journal: Vec<Staged> = serde_json::from_slice(&std::fs::read(dir.join("journal.json")).unwrap()).unwrap();
            let e: Vec<Edit> = journal.iter().rev().map(|s| Edit::Restore(s.rows.reversed())).collect();
            let s = db.stage(&e, now()).await.unwrap();
            db.commit(&s.iter().map(|s| s.rows.clone()).collect::<Vec<_>>(), now()).await.unwrap();
            let touched: Vec<NodeId> = journal.iter().chain(&s).filter_map(|s| s.node.clone()).collect();
            db.finish(&touched, now()).await.unwrap();
        }
        _ => panic!(),
    }
    println!("total {:?}", t.elapsed());
    for s in ["master.db-wal", "master.db-shm"] { assert!(!dir.join(s).exists(), "{s}"); }
}
fn row(i: usize) -> NewContentRow {
    NewContentRow { file: ContentFile { path: format!("/Users/dj/Music/TIDAL/Artist Ü/New Track {i}.flac").into(), size: 31415926, file_id: 123456 + i as u64 }, title: format!("New Track {i}"), artist: Some(format!("Artist Ü {}", i / 3)), album: Some(format!("Album {}", i / 10)), genre: Some(format!("Techno X {}", i % 20)), isrc: Some("GBXXX2400001".into()), year: Some(2024), length_s: 360, bitrate_kbps: 1000, sample_rate_hz: 44100, bit_depth: 16, format: Some(AudioFormat::Flac), created: "2020-01-01".into(), comment: "c".into() }
}
