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

on_both! { a_ticket_database_out_of_reach_is_told_once_and_so_is_its_return }

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
            "14/09 06:00 Đồng hồ hệ thống bị lùi | the last turn was at 2021-09-14T01:00:00+00:00 | từ 06:00 ngày 14/09/2021",
            "14/09 08:01 Cấu hình mới không được nạp | rules/x.toml:3:1: `when` is missing | từ 08:01 ngày 14/09/2021",
            "14/09 08:01 Đồng hồ hệ thống bị lùi | the last turn was at 2021-09-14T01:00:00+00:00 | từ 06:00 ngày 14/09/2021 | đến 08:01 ngày 14/09/2021",
        ]
    );
}
