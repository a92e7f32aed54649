use super::*;
use crate::testing::folder_with;
use crate::{Items, Split};

/// A folder with images `a.png`, `b.png`, `c.png`, `sub/d.png` and the table `name`.
fn with_table(name: &str, table: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = folder_with(&["a.png", "b.png", "c.png", "sub/d.png"]);
    let path = folder.path().join(name);
    std::fs::write(&path, table).unwrap();
    (folder, path)
}

fn opened(name: &str, table: &str, columns: &Columns, labelled: bool) -> Result<Images, String> {
    let (_folder, path) = with_table(name, table);
    Images::from_table(&path, columns, labelled).map_err(|fault| fault.to_string())
}

fn columns(path: Option<&str>, label: &str, group: Option<&str>) -> Columns {
    let [path, group] = [path, group].map(|name| name.map(str::to_string));
    Columns { path, label: label.into(), group, ..Columns::default() }
}

#[test]
fn a_table_names_images_with_their_classes_and_parts() {
    let table = "label,file,split\nno,./sub/d.png,test\nyes,a.png,train\n no ,b.png,train\n";
    let (_folder, path) = with_table("images.csv", table);
    let images = Images::from_table(&path, &Columns::default(), true).unwrap();
    assert_eq!(images.classes, ["no", "yes"]);
    let found: Vec<(&str, Option<usize>, Option<Part>)> =
        images.items.iter().map(|it| (it.name.as_str(), it.label, it.part)).collect();
    let (train, test) = (Some(Part::Train), Some(Part::Test));
    assert_eq!(
        found,
        [("a.png", Some(1), train), ("b.png", Some(0), train), ("sub/d.png", Some(0), test)]
    );
    assert_eq!(images.decode(2).unwrap().width(), 8);
    assert!(images.notes.is_empty());
    // The same images by the general way, in another order of rows and between tabs.
    let table = "image\tlabel\tsplit\nb.png\tno\ttrain\na.png\tyes\ttrain\nsub/d.png\tno\ttest\n";
    let (_folder, path) = with_table("images.tsv", table);
    assert_eq!(Images::open(&path).unwrap().fingerprint(), images.fingerprint());
}

#[test]
fn columns_are_taken_by_the_names_that_were_given_and_classes_that_are_numbers_by_value() {
    let table = "where,path,grade\na.png,x,10\nb.png,y,9\n";
    let given = columns(Some("where"), "grade", None);
    let images = opened("t.csv", table, &given, true).unwrap();
    assert_eq!(images.classes, ["9", "10"]);
    assert_eq!(images.labels(), [Some(1), Some(0)]);
}

#[test]
fn without_labels_a_table_is_a_list_of_images() {
    let images = opened("t.csv", "path\nb.png\na.png\n", &Columns::default(), false).unwrap();
    assert!(images.classes.is_empty() && images.labels() == [None, None]);
    let some = "path,label\nb.png,\na.png,x\n";
    let images = opened("t.csv", some, &Columns::default(), false).unwrap();
    assert_eq!((images.labels(), images.notes.len()), (vec![Some(0), None], 1));
    let tested = "path,label,split\na.png,x,train\nb.png,y,test\n";
    assert_eq!(opened("t.csv", tested, &Columns::default(), false).unwrap().classes, ["x", "y"]);
}

#[test]
fn what_is_wrong_with_a_row_is_one_line_that_names_it() {
    let group = columns(None, "label", Some("patient"));
    let usual = Columns::default();
    for (table, columns, part) in [
        ("path,label\na.png,x\nno.png,y\n", &usual, "line 3: there is no"),
        ("path,label\na.png,x\nsub,y\n", &usual, "line 3:"),
        ("path,label\na.png,x\nb.png, \n", &usual, "line 3: b.png has no label"),
        ("path,label\na.png,x\n ,y\n", &usual, "line 3: names no image"),
        ("path,label\na.png,x\nb.png\n", &usual, "line 3: has 1 fields, not 2"),
        ("path,label\na.png,x\n\nb.png,y\n./a.png,y\n", &usual, "line 5: a.png stands in line 2"),
        ("path,label\n", &usual, "line 1: no image is named"),
        ("", &usual, "line 1: there is no column path, file, image, filename"),
        ("text,label\na,b\n", &usual, "--path-column"),
        ("path,class\na.png,b\n", &usual, "--label-column"),
        ("path,label,split\na.png,x,dev2\n", &usual, "line 2: split is \"dev2\""),
        (
            "path,label,split\na.png,x,train\nb.png,y,test\n",
            &usual,
            "line 3: class \"y\" of the test",
        ),
        ("path,label\na.png,x\n", &group, "--group-column"),
        ("path,label,patient\na.png,x,1\nb.png,y,\n", &group, "line 3: b.png is of no group"),
    ] {
        let message = opened("t.csv", table, columns, true).unwrap_err();
        assert!(message.contains(part), "{message}");
        assert_eq!(message.lines().count(), 1);
    }
}

#[test]
fn images_of_a_group_stay_together_and_a_group_in_two_parts_is_told() {
    let table = "path,label,patient\na.png,x,1\nb.png,y,1\nc.png,x,2\nsub/d.png,y,2\n";
    let images = opened("t.csv", table, &columns(None, "label", Some("patient")), true).unwrap();
    assert_eq!(images.group(3), Some("2"));
    for seed in 0..8 {
        let split = Split::of(&images, [0.5, 0.0, 0.5], seed).unwrap();
        let mut parts = [split.train, split.test];
        parts.sort();
        assert_eq!(parts, [vec![0, 1], vec![2, 3]]);
    }
    let table = "path,label,patient,split\na.png,x,1,train\nb.png,x,1,test\nc.png,x,2,train\n";
    let images = opened("t.csv", table, &columns(None, "label", Some("patient")), true).unwrap();
    assert_eq!(images.notes.len(), 1);
    assert!(images.notes[0].starts_with("1 groups stand in two parts"), "{:?}", images.notes);
}

#[test]
fn one_image_has_one_name_however_its_path_is_written() {
    assert_eq!(plain("./a//b/./c.png"), "a/b/c.png");
    assert_eq!(plain("/a/b.png"), "/a/b.png");
    assert_eq!(plain("../b.png"), "../b.png");
}

#[test]
fn an_image_may_have_several_labels_or_none_in_one_column_or_in_many() {
    let joined = "path,label\na.png,dog|cat\nb.png,\nc.png, cat | cat\n";
    let columns = Columns { separator: Some("|".into()), ..Columns::default() };
    let images = opened("t.csv", joined, &columns, true).unwrap();
    assert_eq!(images.classes, ["cat", "dog"]);
    let found: Vec<&[usize]> = (0..3).map(|index| images.several(index).unwrap()).collect();
    assert_eq!(found, [&[0, 1][..], &[], &[0]]);
    assert_eq!((images.label(0), images.class_counts(&[0, 1, 2])), (None, vec![2, 1]));

    let apart = "path,dog,other,cat\na.png,1,x,1\nb.png,0,y,0\nc.png,0,,1\n";
    let labels = vec!["dog".to_string(), "cat".to_string()];
    let columns = Columns { labels, ..Columns::default() };
    let images = opened("t.csv", apart, &columns, true).unwrap();
    assert_eq!(images.classes, ["dog", "cat"]);
    assert_eq!(images.several(2), Some(&[1][..]));
    // Numbered as another run has them.
    let other = images.with_classes(&["cat".into(), "dog".into()]).unwrap();
    assert_eq!((other.several(2), other.several(0)), (Some(&[0][..]), Some(&[0, 1][..])));
    assert!(images.unlabelled().several(0).is_none());
    let message = opened("t.csv", &apart.replace("0,y", "no,y"), &columns, true).unwrap_err();
    assert!(message.contains("line 3: dog is \"no\""), "{message}");
    let bare = opened("t.csv", "path\na.png\n", &columns, false).unwrap();
    assert!(bare.several(0).is_none());
    let message = opened("t.csv", "path,dog\na.png,1\n", &columns, true).unwrap_err();
    assert!(message.contains("--label-columns"), "{message}");
    let columns = Columns { labels: vec!["dog".into(), "dog".into()], ..Columns::default() };
    let message = opened("t.csv", "path,dog\na.png,1\n", &columns, true).unwrap_err();
    assert!(message.contains("twice"), "{message}");
}
