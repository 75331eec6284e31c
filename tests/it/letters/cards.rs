//! The card digest (`domain.md` §3.1): spread over the police of localities, bands of age and stages, with what waits on C06
//! in a line of its own.

use crate::world::{LADDER, World};

const CARDS: &str = r#"
[[rule]]
id = "cccd"
title = "Phiếu về cấp căn cước đang theo dõi"
when = "aged"
threshold = "1wd"
digest = { at = "week", also_when = ["overdue", "received"] }

[[rule.step]]
id = "list"
after = "1wd"
to = ["id:CAT:contact"]
repeat = { every = "5wd", times = 50 }
reply = "4wd"
template = "cccd"

[[deadline]]
id = "normal"
due = "30wd"
"#;

const POLICE: &str = r#"
[[unit]]
id = "CAT"
name = "Công an tỉnh"
parent = "UBND"
contacts = [{ role = "contact", address = "cat@tinh.example" }]

[[unit]]
id = "CAH-866"
name = "Công an thành phố Cao Lãnh"
parent = "CAT"
areas = ["866"]
valid_until = "2025-03-01"

[[unit]]
id = "CAH-872"
name = "Công an huyện Tháp Mười"
parent = "CAT"
areas = ["872"]

# Has the same locality, and is not the police.
[[unit]]
id = "TM"
name = "Ủy ban nhân dân huyện Tháp Mười"
parent = "UBND"
areas = ["872"]
"#;

async fn province() -> World {
    let mut world = World::new(LADDER).await;
    world.append("agencies.toml", POLICE).await;
    world.rules(CARDS).await;
    world.turn("2021-07-01 07:00").await;
    world
}

async fn card(world: &World, code: &str, received: &str, columns: &str) {
    world.ticket(code, "CAT", received).await;
    world
        .change(code, received, &format!("category = 'cccd', {columns}"))
        .await;
}

/// The lines of the only letter's list from one to another that begins so.
fn part(world: &mut World, from: &str, until: &str) -> Vec<String> {
    let letters = world.letters();
    assert_eq!(
        letters.len(),
        1,
        "{:?}",
        letters.iter().map(|l| &l.subject).collect::<Vec<_>>()
    );
    let lines = letters[0].text.lines().skip_while(|line| !line.starts_with(from));
    let lines = lines.take_while(|line| !line.starts_with(until));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    lines.map(words).filter(|line| !line.is_empty()).collect()
}

#[tokio::test]
async fn the_weeks_list_is_spread_over_localities_ages_and_stages() {
    let mut world = province().await;
    card(
        &world,
        "OLD",
        "2021-07-02 09:00",
        "area = '872', stage = 'at_c06', waiting_on = 'C06'",
    )
    .await;
    card(
        &world,
        "MID",
        "2021-07-30 09:00",
        "area = '872', stage = 'card_arrived'",
    )
    .await;
    card(
        &world,
        "NEW",
        "2021-08-20 09:00",
        "area = '866', stage = 'at_c06', waiting_on = 'C06'",
    )
    .await;
    card(&world, "THERE", "2021-08-19 09:00", "agency = 'CAH-866', area = '872'").await;
    card(&world, "NOWHERE", "2021-08-20 10:00", "area = 'xyz'").await;
    // After hours: all of them are told on Monday.
    world.turn("2021-08-20 17:30").await;
    world.turn("2021-08-23 08:00").await;
    assert_eq!(
        part(&mut world, "Đơn vị", "Kính đề nghị"),
        [
            "Đơn vị ≤ 15 ngày 16–30 ngày 31–60 ngày > 60 ngày Tổng",
            "Công an thành phố Cao Lãnh 2 0 0 0 2",
            "Công an huyện Tháp Mười 0 1 1 0 2",
            "Chưa rõ địa bàn 1 0 0 0 1",
            "Tổng cộng 3 1 1 0 5",
            "Theo giai đoạn:",
            "- chưa ghi giai đoạn: 2 phiếu",
            "- đang chờ C06: 2 phiếu",
            "- thẻ đã về, chưa trả: 1 phiếu",
            "Đang chờ Cục C06 (ngoài thẩm quyền của tỉnh): 2/5 phiếu.",
            "Công an thành phố Cao Lãnh",
            "1. THERE",
            "Lĩnh vực cấp căn cước công dân",
            "Công an thành phố Cao Lãnh",
            "Thời hạn hạn 17:00 thứ Hai 04/10/2021",
            "còn 28 ngày làm việc",
            "Tình trạng đang xử lý",
            "2. NEW",
            "Lĩnh vực cấp căn cước công dân",
            "Thời hạn hạn 17:00 thứ Ba 05/10/2021",
            "còn 29 ngày làm việc",
            "Tình trạng đang xử lý",
            "đang chờ C06",
            "Công an huyện Tháp Mười",
            "3. OLD",
            "Lĩnh vực cấp căn cước công dân",
            "Thời hạn hạn 17:00 thứ Sáu 13/08/2021",
            "tiếp nhận 02/07/2021",
            "quá hạn 6 ngày làm việc",
            "Tình trạng đang xử lý",
            "đang chờ C06",
            "4. MID",
            "Lĩnh vực cấp căn cước công dân",
            "Thời hạn hạn 17:00 thứ Ba 14/09/2021",
            "còn 14 ngày làm việc",
            "Tình trạng đang xử lý",
            "thẻ đã về, chưa trả",
            "Chưa rõ địa bàn",
            "5. NOWHERE",
            "Lĩnh vực cấp căn cước công dân",
            "Thời hạn hạn 17:00 thứ Ba 05/10/2021",
            "còn 29 ngày làm việc",
            "Tình trạng đang xử lý",
        ]
    );
}

#[tokio::test]
async fn between_two_weekly_lists_a_letter_says_that_it_holds_the_new_and_late_ones_alone() {
    let mut world = province().await;
    for (code, received) in [("FIRST", "2021-08-19 09:00"), ("SECOND", "2021-08-20 09:00")] {
        card(&world, code, received, "area = '872'").await;
    }
    world.turn("2021-08-20 17:30").await;
    let lists = |world: &mut World| {
        let heads = world.letters().into_iter().map(|letter| {
            let lines: Vec<&str> = letter.text.lines().collect();
            let words = |part: &[&str]| part.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
            let mut parts = lines.split(|line| line.trim().is_empty()).map(words);
            let intro = parts
                .find(|part| part.contains("phản ánh, kiến nghị"))
                .expect("an intro");
            format!("{} | {intro}", letter.subject)
        });
        heads.collect::<Vec<_>>()
    };
    world.turn("2021-08-23 08:00").await;
    assert_eq!(
        lists(&mut world),
        [
            "[1022][CCCD] 2 phiếu đang theo dõi – Công an tỉnh | Đến 08:00 ngày 23/08/2021, Tổng đài 1022 đang theo dõi 2 phiếu \
          phản ánh, kiến nghị về cấp căn cước công dân. Số phiếu theo đơn vị và số ngày từ khi tiếp nhận như sau."
        ]
    );
    card(&world, "TUESDAY", "2021-08-24 10:00", "area = '872'").await;
    for at in [
        "2021-08-24 08:00",
        "2021-08-24 17:30",
        "2021-08-25 08:00",
        "2021-08-26 08:00",
        "2021-08-27 08:00",
    ] {
        world.turn(at).await;
    }
    assert_eq!(
        lists(&mut world),
        [
            "[1022][CCCD] 1 phiếu mới hoặc quá hạn – Công an tỉnh | Ngoài danh sách hằng tuần, đến 08:00 ngày 25/08/2021 có 1 \
          phiếu phản ánh, kiến nghị về cấp căn cước công dân mới tiếp nhận hoặc đã quá hạn. Số phiếu theo đơn vị và số ngày từ \
          khi tiếp nhận như sau."
        ]
    );
    // On Monday dondoc stood still: the list comes on Tuesday, and is the week's.
    world.turn("2021-08-31 09:00").await;
    let [list] = &lists(&mut world)[..] else {
        panic!("one list")
    };
    assert!(list.starts_with("[1022][CCCD] 3 phiếu đang theo dõi"), "{list}");
}

#[tokio::test]
async fn a_card_that_another_agency_takes_over_stays_on_the_polices_list_until_it_is_done() {
    let mut world = province().await;
    for (code, received) in [("MOVED", "2021-08-19 09:00"), ("STAYS", "2021-08-20 09:00")] {
        card(&world, code, received, "area = '872'").await;
    }
    world.turn("2021-08-20 17:30").await;
    world.turn("2021-08-23 08:00").await;
    world.letters();
    world.change("MOVED", "2021-08-24 09:00", "agency = 'TM'").await;
    let subjects = |world: &mut World| world.letters().into_iter().map(|l| l.subject).collect::<Vec<_>>();
    for at in [
        "2021-08-24 09:05",
        "2021-08-25 08:00",
        "2021-08-26 08:00",
        "2021-08-27 08:00",
    ] {
        world.turn(at).await;
    }
    assert!(subjects(&mut world).is_empty(), "nothing has ended for the police");
    world.turn("2021-08-30 08:00").await;
    assert_eq!(
        subjects(&mut world),
        ["[1022][CCCD] 2 phiếu đang theo dõi – Công an tỉnh"]
    );
    world
        .change(
            "MOVED",
            "2021-08-30 10:00",
            "status = 'đã trả lời', answered_at = '2021-08-30 10:00:00'",
        )
        .await;
    world.turn("2021-08-30 10:05").await;
    world.turn("2021-08-31 08:00").await;
    world.turn("2021-09-01 08:00").await;
    assert_eq!(
        subjects(&mut world),
        ["[1022] 1 phiếu đã xử lý xong, không còn nhắc – Công an tỉnh"]
    );
    world.is_audited("2021-09-01 08:00").await;
}
