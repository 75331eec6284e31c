//! Stories of alarms: ops hear of each once when it begins and once when it is over, whatever is started anew meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dondoc::demo::receiver::{Do, Step};

use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

/// A province whose ops are told.
async fn told(world: World) -> World {
    let mut world = world;
    world
        .edit("dondoc.toml", |text| {
            text.replace("tell = false", "source_down_after = \"15m\"")
        })
        .await;
    world
}

async fn province() -> World {
    told(World::new(&format!("{LADDER}{FIVE_DAYS}")).await).await
}

/// What ops were told since this was asked last: when, and each line of the tables.
fn alarms(world: &mut World) -> Vec<String> {
    let letters = world.letters();
    let of_ops = letters.iter().filter(|l| l.subject.contains("Cảnh báo vận hành"));
    of_ops
        .flat_map(|letter| {
            assert_eq!(letter.to, ["ops@tinh.example"]);
            let when = letter
                .date
                .with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
                .format("%d/%m %H:%M");
            let mut told: Vec<String> = Vec::new();
            for line in letter.text.lines() {
                match (
                    line.strip_prefix("- "),
                    line.strip_prefix("    "),
                    line.strip_prefix("  "),
                    told.last_mut(),
                ) {
                    (Some(first), ..) => told.push(format!("{when} {first}")),
                    (None, Some(more), _, Some(last)) => last.push_str(&format!(" {more}")),
                    (None, None, Some(cell), Some(last)) => last.push_str(&format!(" | {cell}")),
                    _ => {}
                }
            }
            told
        })
        .collect()
}

on_both! {
    a_ticket_database_out_of_reach_is_told_once_and_so_is_its_return
    a_word_is_over_when_no_open_ticket_bears_it_any_more_however_it_is_shown
}

async fn a_ticket_database_out_of_reach_is_told_once_and_so_is_its_return(on: On) {
    let mut world = province().await.on(on).await;
    world.turn("2021-09-06 08:00").await;
    world.lose_source().await;
    world.turn("2021-09-06 08:10").await;
    assert_eq!(alarms(&mut world), [""; 0], "it may be a moment only");
    let turn = world.turn("2021-09-06 08:15").await;
    assert_eq!(turn.alarms, 1);
    let told = alarms(&mut world);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("06/09 08:15 Không đọc được cơ sở dữ liệu phiếu | "),
        "{told:?}"
    );
    world.turn("2021-09-06 08:20").await;
    world.turn("2021-09-06 09:20").await;
    assert_eq!(alarms(&mut world), [""; 0]);
    world.regain_source().await;
    let turn = world.turn("2021-09-06 10:00").await;
    assert_eq!(turn.alarms, 0);
    let told = alarms(&mut world);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].ends_with("từ 08:15 ngày 06/09/2021 | đến 10:00 ngày 06/09/2021"),
        "{told:?}"
    );
    world.turn("2021-09-06 10:01").await;
    assert_eq!(alarms(&mut world), [""; 0]);
}

#[tokio::test]
async fn at_night_nobody_is_woken_and_what_is_over_by_the_morning_is_no_news() {
    let mut world = province().await;
    world.turn("2021-09-06 21:00").await;
    world.lose_source().await;
    world.turn("2021-09-06 22:00").await;
    world.regain_source().await;
    world.turn("2021-09-07 05:00").await;
    world.lose_source().await;
    world.turn("2021-09-07 06:00").await;
    world.turn("2021-09-07 07:00").await;
    let told = alarms(&mut world);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("07/09 07:00") && told[0].ends_with("từ 06:00 ngày 07/09/2021"),
        "{told:?}"
    );
}

#[tokio::test]
async fn words_that_nobody_has_mapped_are_told_when_they_are_met_first_and_when_they_are_mapped() {
    let mut world = province().await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Không Có", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Y tế", "2021-09-06 09:00").await;
    world.change("T2", "2021-09-06 09:00", "status = 'treo'").await;
    world.turn("2021-09-06 09:05").await;
    world.ticket("T3", "Sở Không Có", "2021-09-06 09:10").await;
    world.turn("2021-09-06 09:15").await;
    world.restart().await;
    world.turn("2021-09-07 09:00").await;
    assert_eq!(
        alarms(&mut world),
        [
            "06/09 09:05 Trạng thái phiếu chưa được khai báo | treo | từ 09:05 ngày 06/09/2021",
            "06/09 09:05 Tên cơ quan chưa có trong danh bạ | Sở Không Có | từ 09:05 ngày 06/09/2021",
        ]
    );
    world
        .edit("dondoc.toml", |text| {
            text.replace("\"mới\" = \"open\"", "\"mới\" = \"open\"\n\"treo\" = \"waiting\"")
        })
        .await;
    world
        .edit("agencies.toml", |text| {
            text.replace("short = \"SYT\"", "short = \"SYT\"\naliases = [\"Sở Không Có\"]")
        })
        .await;
    world.turn("2021-09-07 09:30").await;
    assert_eq!(
        alarms(&mut world),
        [
            "07/09 09:30 Trạng thái phiếu chưa được khai báo | treo | từ 09:05 ngày 06/09/2021 | đến 09:30 ngày 07/09/2021",
            "07/09 09:30 Tên cơ quan chưa có trong danh bạ | Sở Không Có | từ 09:05 ngày 06/09/2021 | đến 09:30 ngày 07/09/2021",
        ]
    );
}

#[tokio::test]
async fn a_mail_server_that_takes_nothing_is_told_by_the_command_and_by_mail_once_it_does() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let world = World::with_mail_server(&format!("{LADDER}{FIVE_DAYS}"), move |step, _| match step {
        Step::Greeting if is_down.load(Ordering::Relaxed) => Do::Reply(421, "closed".to_owned()),
        _ => Do::Go,
    })
    .await;
    let mut world = told(world).await;
    let paged = world.dir().join("paged");
    let command = format!(
        "source_down_after = \"15m\"\ncommand = [\"sh\", \"-c\", \"cat >> {}\"]",
        paged.display()
    );
    world
        .edit("dondoc.toml", |text| {
            text.replace("source_down_after = \"15m\"", &command)
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    down.store(true, Ordering::Relaxed);
    for time in ["08:00", "08:10", "09:00"] {
        world.turn(&format!("2021-09-14 {time}")).await;
    }
    let said = std::fs::read_to_string(&paged).expect("ops were paged");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("dondoc: the mail server takes no mail: ") && said.contains("421"),
        "{said}"
    );
    down.store(false, Ordering::Relaxed);
    world.turn("2021-09-14 10:30").await;
    world.turn("2021-09-14 10:31").await;
    let said = std::fs::read_to_string(&paged).expect("ops were paged");
    assert_eq!(said.lines().last(), Some("dondoc: the mail server takes mail again"));
    let told = alarms(&mut world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|line| line.contains("Máy chủ thư không nhận thư")),
        "{told:?}"
    );
    // Made when the server went away, sent when it was back.
    assert!(
        told[0].starts_with("14/09 08:00") && told[1].ends_with("đến 10:30 ngày 14/09/2021"),
        "{told:?}"
    );
}

#[tokio::test]
async fn letters_that_nobody_takes_are_told_together_and_trying_them_again_is_no_news() {
    let world = World::with_mail_server(&format!("{LADDER}{FIVE_DAYS}"), |step, to| match step {
        Step::Recipient if !to.contains("ops@") => Do::Reply(550, "no such user".to_owned()),
        _ => Do::Go,
    })
    .await;
    let mut world = told(world).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    world.turn("2021-09-14 08:00").await;
    let told = alarms(&mut world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter()
            .all(|l| l.starts_with("14/09 08:00 Thông báo không gửi được | ") && l.contains("550")),
        "{told:?}"
    );
    world.restart().await;
    world.turn("2021-09-14 08:01").await;
    let dead = world
        .store()
        .messages(Some("dead"), at("2021-09-01 00:00"), 10)
        .await
        .expect("a store");
    let mut tx = world.store().begin().await.expect("a store");
    for message in &dead {
        tx.retry(&message.id, "by hand", at("2021-09-14 08:02"))
            .await
            .expect("a retry");
    }
    tx.commit().await.expect("a store");
    world.turn("2021-09-14 08:03").await;
    let told = alarms(&mut world);
    assert_eq!(told.len(), 2, "the new letters are dead too: {told:?}");
    assert!(
        told.iter()
            .all(|line| line.starts_with("14/09 08:03 Thông báo không gửi được | "))
    );
}

#[tokio::test]
async fn a_clock_that_went_back_a_refused_reload_and_a_failing_template_are_told() {
    let mut world = province().await;
    world
        .edit("templates/overdue-1.txt.j2", |_| {
            "{% block subject %}{{ nothing.there }}{% endblock %}".to_owned()
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-14 08:00").await;
    world.turn_behind("2021-09-14 06:00").await;
    world.turn_behind("2021-09-14 06:01").await;
    let mut tx = world.store().begin().await.expect("a store");
    tx.config_refused("rules/x.toml:3:1: `when` is missing\nmore", at("2021-09-14 08:00"))
        .await
        .expect("a store");
    tx.commit().await.expect("a store");
    world.turn("2021-09-14 08:01").await;
    world.turn("2021-09-14 08:02").await;
    assert_eq!(
        alarms(&mut world),
        [
            "14/09 08:00 Mẫu thư bị lỗi, đã gửi bằng mẫu dự phòng | overdue-1.txt.j2 | từ 08:00 ngày 14/09/2021",
            "14/09 06:00 Đồng hồ hệ thống bị lùi | the last turn was at 08:00:00 14/09/2021 | từ 06:00 ngày 14/09/2021",
            "14/09 08:01 Cấu hình mới không được nạp | rules/x.toml:3:1: `when` is missing | từ 08:01 ngày 14/09/2021",
            "14/09 08:01 Đồng hồ hệ thống bị lùi | the last turn was at 08:00:00 14/09/2021 | từ 06:00 ngày 14/09/2021 | đến 08:01 ngày 14/09/2021",
        ]
    );
}

#[tokio::test]
async fn a_sweep_that_is_not_believed_is_tried_with_each_turn_and_over_only_when_one_is_believed() {
    let mut world = province().await;
    world.turn("2021-09-06 07:00").await;
    for n in 0..30 {
        world.ticket(&format!("T{n:02}"), "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.turn("2021-09-06 10:00").await;
    world.turn("2021-09-07 07:00").await;
    world
        .sql("CREATE TABLE lost AS SELECT * FROM ticket WHERE code > 'T05'")
        .await;
    world.sql("DELETE FROM ticket WHERE code > 'T05'").await;
    world.restart().await;
    for when in ["09:00", "09:01", "09:02"] {
        assert_eq!(world.turn(&format!("2021-09-07 {when}")).await.alarms, 1, "{when}");
    }
    world.sql("INSERT INTO ticket SELECT * FROM lost").await;
    assert_eq!(world.turn("2021-09-07 09:03").await.alarms, 0);
    let told: Vec<String> = alarms(&mut world)
        .iter()
        .map(|line| {
            line.split(" | ")
                .filter(|part| !part.contains("sweep"))
                .collect::<Vec<_>>()
                .join(" | ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "07/09 09:00 Số phiếu tăng, giảm bất thường, chưa được ghi nhận, chờ kiểm tra | từ 09:00 ngày 07/09/2021",
            "07/09 09:03 Số phiếu tăng, giảm bất thường, chưa được ghi nhận, chờ kiểm tra | từ 09:00 ngày 07/09/2021 | đến 09:03 ngày 07/09/2021",
        ]
    );
}

#[tokio::test]
async fn a_template_that_failed_is_well_once_it_has_written_a_letter_or_the_configuration_is_another() {
    const FAILED: &str = "Mẫu thư bị lỗi, đã gửi bằng mẫu dự phòng | overdue-1.txt.j2 | từ 08:00";
    let mut world = province().await;
    let sound = std::fs::read_to_string(world.dir().join("templates/overdue-1.txt.j2")).expect("a template");
    let broken = |_| "{% block subject %}{{ nothing.there }}{% endblock %}".to_owned();
    world.edit("templates/overdue-1.txt.j2", broken).await;
    world.turn("2021-09-06 07:00").await;
    // L1 on 14/9, L2 on 16/9.
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-10 09:00").await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(alarms(&mut world), [format!("14/09 08:00 {FAILED} ngày 14/09/2021")]);
    world.turn("2021-09-15 08:00").await;
    world.turn("2021-09-16 08:00").await;
    assert_eq!(alarms(&mut world), [""; 0], "another letter says nothing of it");
    world.edit("templates/overdue-1.txt.j2", |_| sound.clone()).await;
    world.turn("2021-09-20 07:00").await;
    assert_eq!(alarms(&mut world), [""; 0], "nor does a start");
    world.turn("2021-09-20 08:00").await;
    assert_eq!(
        alarms(&mut world),
        [format!(
            "20/09 08:00 {FAILED} ngày 14/09/2021 | đến 08:00 ngày 20/09/2021"
        )]
    );
    world.edit("templates/overdue-1.txt.j2", broken).await;
    world.ticket("T3", "Sở Tài chính", "2021-09-13 09:00").await;
    world.turn("2021-09-21 08:00").await;
    assert_eq!(alarms(&mut world), [format!("21/09 08:00 {FAILED} ngày 21/09/2021")]);
    world
        .edit("rules/test.toml", |text| text.replace("\"overdue-1\"", "\"overdue-2\""))
        .await;
    world.turn("2021-09-21 09:00").await;
    assert_eq!(
        alarms(&mut world),
        [format!(
            "21/09 09:00 {FAILED} ngày 21/09/2021 | đến 09:00 ngày 21/09/2021"
        )]
    );
}

async fn a_word_is_over_when_no_open_ticket_bears_it_any_more_however_it_is_shown(on: On) {
    const LONG: &str = "Trung tâm Kiểm soát thủ tục hành chính và Phục vụ hành chính công tỉnh";
    let mut world = province().await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [
        ("A1", "Sở Y tê khác"),
        ("A2", "Sở Y tê khác"),
        ("B1", LONG),
        ("C1", "Sở Y tế, anh Hùng 0907123456"),
        ("D1", "Sở Y tế"),
    ] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.change("D1", "2021-09-06 09:00", "status = 'treo'").await;
    assert_eq!(world.turn("2021-09-06 09:05").await.alarms, 4);
    alarms(&mut world);
    let mut told = Vec::new();
    let mut later = async |world: &mut World, when: &str, holding: usize| {
        assert_eq!(
            world.turn(&format!("2021-09-06 {when}")).await.alarms,
            holding,
            "{when}"
        );
        let what = alarms(world).into_iter();
        told.extend(what.map(|line| line.split(" | ").take(2).collect::<Vec<_>>().join(" | ")));
    };
    later(&mut world, "09:06", 4).await;
    world.change("A1", "2021-09-06 09:07", "agency = 'Sở Y tế'").await;
    later(&mut world, "09:10", 4).await;
    world.change("A2", "2021-09-06 09:11", "agency = 'Sở Y tế'").await;
    later(&mut world, "09:15", 3).await;
    world.answer("C1", "2021-09-06 09:16").await;
    later(&mut world, "09:20", 2).await;
    world.change("D1", "2021-09-06 09:21", "status = 'đóng'").await;
    later(&mut world, "09:25", 1).await;
    world
        .edit("agencies.toml", |text| {
            text.replace("short = \"SYT\"", &format!("short = \"SYT\"\naliases = [\"{LONG}\"]"))
        })
        .await;
    later(&mut world, "09:30", 0).await;
    let shown: String = LONG.chars().take(60).collect();
    assert_eq!(
        told,
        [
            "06/09 09:15 Tên cơ quan chưa có trong danh bạ | Sở Y tê khác".to_owned(),
            "06/09 09:20 Tên cơ quan chưa có trong danh bạ | Sở Y tế, anh […] […]".to_owned(),
            "06/09 09:25 Trạng thái phiếu chưa được khai báo | treo".to_owned(),
            format!("06/09 09:30 Tên cơ quan chưa có trong danh bạ | {shown}"),
        ]
    );
}

#[tokio::test]
async fn of_more_alarms_than_one_letter_names_the_rest_is_counted() {
    let mut world = province().await;
    world.turn("2021-09-06 07:00").await;
    for n in 0..53 {
        let code = format!("T{n:02}");
        world.ticket(&code, "Sở Y tế", "2021-09-06 09:00").await;
        world
            .change(&code, "2021-09-06 09:00", &format!("status = 'lạ {n}'"))
            .await;
    }
    world.turn("2021-09-06 09:05").await;
    let subjects: Vec<String> = world.letters().into_iter().map(|l| l.subject).collect();
    assert_eq!(subjects, ["[1022] Cảnh báo vận hành: 53 nội dung cần xem"]);
    world
        .sql("UPDATE ticket SET status = 'đóng', updated_at = '2021-09-06 09:06:00'")
        .await;
    world.turn("2021-09-06 09:10").await;
    let told = alarms(&mut world);
    assert_eq!(told.len(), 51, "{told:?}");
    assert_eq!(told[50], "06/09 09:10 và 3 nội dung khác | – | – | –");
}

#[tokio::test]
async fn a_storm_is_told_when_the_brake_takes_hold_and_when_it_is_over() {
    let mut world = province().await;
    world.append("dondoc.toml", "[limits]\nmessages_per_turn = 1\n").await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng"), ("T3", "Sở Tài chính")] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    for time in ["08:00", "08:01", "08:02", "08:03", "08:04"] {
        world.turn(&format!("2021-09-14 {time}")).await;
    }
    assert_eq!(
        alarms(&mut world),
        [
            "14/09 08:00 Số thư vượt giới hạn, đang tạm giữ | 2 messages are held | từ 08:00 ngày 14/09/2021",
            "14/09 08:02 Số thư vượt giới hạn, đang tạm giữ | 2 messages are held | từ 08:00 ngày 14/09/2021 | đến 08:02 ngày 14/09/2021",
        ]
    );
}
