//! One suite for all backends: every case runs on SQLite as a test of its own, and on PostgreSQL and
//! MariaDB within the one test that starts a server (`postgres`, `mariadb`).

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "clippy.toml frees test functions of these; helpers and cases are tests too"
)]

use std::future::Future;
use std::pin::Pin;

mod bench;
mod filled;
mod mariadb;
mod opening;
mod postgres;
mod throwaway;

type Case = fn(bench::Bench) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Declares the cases: a test on SQLite for each, and the list that the others go through.
macro_rules! cases {
    ($($module:ident { $($case:ident,)* })*) => {
        $(mod $module;)*

        mod sqlite {
            $(mod $module {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                    async fn $case() {
                        crate::$module::$case(crate::bench::Bench::on_sqlite()).await;
                    }
                )*
            })*
        }

        fn all_cases() -> Vec<(&'static str, Case)> {
            vec![$($(
                (
                    concat!(stringify!($module), "::", stringify!($case)),
                    (|bench| Box::pin($module::$case(bench))) as Case,
                ),
            )*)*]
        }
    };
}

cases! {
    accounts {
        accounts_belong_to_one_server,
        two_passwords_count_during_a_rotation,
        a_server_has_a_limited_number_of_accounts,
        a_server_is_opened_to_all_and_closed_again,
    }
    audit {
        every_change_leaves_a_record,
        changed_records_are_found,
        removed_records_are_found,
        records_cut_off_at_the_end_are_found,
    }
    backup {
        a_backup_holds_everything_and_loads_elsewhere,
        a_backup_from_sqlite_loads_here,
        a_damaged_backup_leaves_nothing_behind,
        a_filled_database_takes_no_backup,
        a_newer_backup_is_refused,
        a_backup_of_an_older_program_loads,
    }
    changes {
        a_new_name_is_the_next_version_of_the_same_content,
        another_spelling_is_a_new_name_and_the_same_is_none,
        renaming_onto_a_file_replaces_it_and_can_be_undone,
        a_copy_is_a_file_of_its_own,
        a_name_under_which_a_version_only_waits_is_free,
        changes_that_cannot_be_change_nothing,
        what_was_received_is_declared_once,
    }
    cloud_copies {
        a_content_is_wanted_sent_proved_and_present,
        only_the_holder_of_the_lease_changes_anything,
        what_is_sent_next_comes_in_order,
        several_that_are_taken_together_come_in_the_same_order,
        of_many_who_take_at_once_each_gets_another,
        what_fails_is_tried_again_in_time,
        what_lay_elsewhere_is_forgotten_with_a_move,
        what_was_followed_by_an_older_selection_counts_no_more,
        a_point_is_paused_bounded_and_looked_through,
        contents_are_listed_and_counted,
        use_is_counted_by_month,
        a_forgotten_point_takes_everything_with_it,
        what_no_provider_says_is_refused,
        what_is_under_way_is_in_no_backup,
        of_two_walks_the_one_that_began_first_is_of_the_past,
        parts_are_looked_up_by_their_numbers_and_counted,
    }
    cloud_leaving {
        what_was_under_way_goes_with_the_point_that_is_replaced,
        a_point_is_left_once_and_ends_when_nothing_is_to_be_done,
        a_point_whose_objects_go_ends_with_the_last_row,
        what_was_to_be_deleted_is_wanted_again_where_it_is_kept,
        the_active_point_is_removed_unless_another_is_left,
        what_stays_at_the_provider_is_told,
        how_far_a_point_is_on_its_way_out_is_in_backups,
    }
    cloud_points {
        a_point_is_set_changed_and_forgotten,
        there_is_one_active_point_and_one_that_is_left,
        of_many_who_set_a_point_at_once_one_does,
        a_change_of_an_older_point_is_refused,
        a_change_of_a_point_that_is_left_meanwhile_is_refused,
        a_point_that_was_changed_since_it_was_looked_at_is_not_replaced,
        sealed_keys_come_out_by_name_alone,
        what_is_too_large_is_refused,
    }
    cloud_principal {
        the_cloud_becomes_the_principal_only_when_it_holds_everything,
        what_the_principal_may_not_be_is_refused,
        nothing_is_committed_that_the_principal_lacks,
        what_an_upload_left_goes_like_any_that_is_not_wanted,
        files_enter_at_the_root_whichever_that_is,
    }
    cloud_upkeep {
        what_is_unwanted_goes_in_its_state_s_way,
        what_is_wanted_again_in_its_grace_stays,
        what_was_lost_is_sent_anew,
        what_is_another_is_removed_and_sent_anew,
        what_could_be_written_by_others_is_asked_after_once_more,
        what_a_deletion_may_still_reach_is_given_to_nobody,
        what_lies_there_without_a_row_gets_one_before_it_goes,
        what_is_doubted_is_read_back_first_and_the_rest_in_its_turn,
    }
    digests {
        digests_come_back_as_they_were_told,
        digests_that_cannot_be_are_refused,
        what_lacks_digests_is_what_is_served,
        digests_are_forgotten_with_the_last_version,
    }
    hand_over {
        the_root_goes_only_to_a_server_that_holds_everything,
        a_hand_over_that_the_tree_forbids_changes_nothing,
        an_upload_is_committed_only_where_new_files_enter,
    }
    indexes {
        an_index_is_kept_by_content_and_the_last_counts,
        an_index_is_forgotten_with_the_last_version,
        indexes_of_the_largest_size_go_into_backups,
        what_has_an_index_may_be_uninstalled,
    }
    files {
        deleted_files_can_be_restored_until_purged,
        a_freed_name_can_be_taken_and_then_blocks_restoring,
        files_are_listed_in_pages,
        wishes_come_in_the_order_of_change,
        lost_versions_can_be_adopted,
        a_version_under_a_later_name_is_adopted_with_it,
    }
    marks {
        a_version_for_testing_waits_and_production_stays,
        a_first_version_waits_and_its_name_means_nothing_yet,
        promotion_and_rollback_are_one_step_each,
        a_version_is_promoted_once_it_is_offered_or_held,
        of_many_who_promote_at_once_one_does,
        steps_that_cannot_be_change_nothing,
        a_version_put_in_production_at_once_drops_all_marks,
        what_was_announced_before_a_promotion_does_not_undo_it,
        a_database_from_before_knows_its_last_promotions,
        marks_go_with_their_file,
        the_previous_version_is_forgotten_in_time,
        what_is_marked_is_held_and_digested,
        lost_marks_can_be_adopted,
        marks_are_in_a_backup,
    }
    orders {
        computers_are_unique_by_name_until_removed,
        check_ins_are_noted_in_batches,
        orders_raise_the_computers_own_generation,
        orders_end_once_and_only_by_their_own_computer,
        removed_computers_lose_orders_and_certificates,
    }
    records {
        every_revision_is_kept_and_any_of_them_comes_back,
        of_many_who_edit_at_once_one_does_and_nothing_is_overwritten,
        a_record_that_a_file_cannot_have_is_refused_and_nothing_is_stored,
        a_category_is_part_of_the_record_whichever_way_it_comes,
        a_category_that_is_removed_leaves_the_records_of_deleted_files,
        the_same_content_again_brings_its_category_where_it_may_replace,
        a_record_stays_with_its_file,
        the_audit_trail_names_what_was_changed_and_holds_no_text,
    }
    scripts {
        every_version_is_kept_and_any_of_them_comes_back,
        of_many_who_save_at_once_one_does_and_nothing_is_overwritten,
        what_is_said_of_a_script_changes_by_revision,
        a_deleted_script_comes_back_with_its_history,
        scripts_are_listed_in_pages_without_their_contents,
        the_editor_alone_changes_contents_where_it_has_to,
        scripts_raise_no_generation_and_no_record_holds_their_text,
    }
    search {
        files_are_found_by_any_part_whatever_the_case,
        files_are_found_by_the_version_that_they_are_shown_with,
        whole_teams_and_identifiers_are_told_from_parts,
        what_is_found_comes_in_pages,
        files_are_found_by_what_they_are_now,
        a_backup_and_an_older_database_get_their_terms,
    }
    servers {
        the_first_server_is_root_and_principal,
        the_tree_refuses_cycles_and_depth,
        opposite_moves_at_once_never_make_a_cycle,
        servers_have_several_parents_in_order,
        a_removed_parent_is_followed_by_the_next,
        servers_in_use_are_not_removed,
        removed_servers_lose_certificates_and_placements,
        placements_follow_the_reports,
        large_reports_are_stored_whole,
    }
    state {
        generations_rise_by_one,
        a_restore_starts_a_higher_epoch,
        settings_are_kept,
        sites_are_unique_without_regard_to_case,
        sites_in_use_are_not_removed,
        several_programs_may_start_at_once,
        a_dropped_change_leaves_nothing_and_blocks_nobody,
        newer_tables_are_refused,
    }
    trust {
        invitations_refuse_for_the_right_reason,
        a_single_use_invitation_admits_one_of_many,
        tokens_are_found_while_they_are_good,
        certificates_are_current_until_revoked,
    }
    uploads {
        an_upload_becomes_a_version,
        committing_again_gives_the_same_version,
        the_same_content_again_is_no_new_version,
        other_content_needs_replace,
        a_priority_is_that_of_one_version,
        names_that_collide_are_refused_and_shown,
        a_name_taken_meanwhile_fails_the_upload,
        bytes_other_than_declared_fail_the_upload,
        a_failed_signature_leaves_nothing,
        commits_at_once_give_generations_without_gaps,
        uploads_expire_are_cancelled_and_forgotten,
    }
}
