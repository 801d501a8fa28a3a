"""Reports as text, page, record and data on disk.

sections        facts, tables and sentences, as text of 80 columns
text            a report of features
formulas        LaTeX in plain characters
text_joint      the joint problem
network/        a comparison: its sections, the page, its record
records         JSON records
files           files of one run, moved into place together
folder          a folder that a long run fills
shards          features of a long stream on disk
dataset         a Parquet file a block
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "dataset": "Dataset check_folder columns_bytes guess_bytes open_dataset read_columns",
        "files": "Ended Outputs whole_file",
        "formulas": "plain readable",
        "network.comparison": "comparison_sections",
        "network.headline": "headline",
        "network.page": "Pictures report_body report_page runs_page",
        "network.record": "comparison_record",
        "network.runs": "Run ordered runs_section short_names",
        "records": (
            "dump_json joint_record number problem_record provenance record row_records "
            "run_record save_joint settings_record"
        ),
        "sections": "Facts Section Sentence Table Verdict show",
        "shards": "label_arrays open_shards plan_shards shard_rows",
        "text": (
            "bias_words law_facts law_words print_explanations print_problem print_rows print_summary "
            "shown sizes small spread"
        ),
        "text_joint": "print_draws print_joint print_joint_verdict",
    },
)
