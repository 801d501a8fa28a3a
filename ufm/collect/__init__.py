"""A network in hand as the arrays of a comparison: batches run through it, mixed as in training, and left alone.

gather         the sets that a comparison reads, from loaders and a network of any kind
targets        labels of a batch, in the forms that training code has them
mixing         mixup and CutMix of batches of any framework
torch_model    a PyTorch network, its last layer watched
torch_state    what a PyTorch training must find as it left it
flax_model     a Flax network, of either kind
keras_model    a Keras network
tracker        a few numbers of a network in training, epoch by epoch
tracked        what is measured of one epoch
log            the log of a tracker, as CSV or Parquet
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "gather": "Found from_features",
        "mixing": "Mixing cutmix mixup",
        "torch_model": "from_torch",
        "flax_model": "from_flax",
        "keras_model": "from_keras",
        "tracker": "Tracker",
        "log": "read_log",
    },
)
