"""Where the routes meet: both solved, the optimum certified, and each row judged by one rule.

kernel       labels solved, certified and compared, in one traced program
features     check_features: rows of a problem
joint        check_joint: the joint optimum and its certificate
theorem      check_theorem: a theorem on one setting
verdict      five words and when each is said
rigour       ball arithmetic applied to one row
flatness     whether classes stay together
geometry     the shape of a classifier and its features
finite_data  what finite data alone does
variants     problems of another shape, solved and bounded for a theorem
stream/      labels in, features solved, numbers kept: one batch at a time
sweep/       a block of problems in one compiled program
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "features": "Report Row Settings check_features",
        "finite_data": "DrawStudy study_draws",
        "geometry": "collapsed_groups duality_distance mixed_variability self_duality",
        "joint": "JointReport check_joint",
        "stream.reductions": "EDGES ErrorHistogram",
        "stream.sources": "Side",
        "sweep.block": "Answer Shape block_width compile_block",
        "sweep.points": "make_point node_count",
        "sweep.table": "make_table summarise",
        "theorem": "Check check_joint_claim check_theorem",
        "verdict": "AGREES FAILS ORDER OUT_OF_HYPOTHESIS UNDECIDED exit_code worst_verdict",
    },
)
