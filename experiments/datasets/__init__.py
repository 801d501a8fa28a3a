"""Images for the experiments, from files that are here already: nothing is downloaded.

data = load_dataset()                             # Fashion-MNIST if Debian's package is installed, else digits
data = load_dataset("mnist", "data/mnist")         # IDX or IDX.gz
data = load_dataset("cifar10", "data")             # binary or Python batches, in a folder or in the tar.gz
data = load_dataset(data_dir="mine.npz")          # x_train, y_train, x_test, y_test
data = subset(data, train=5000, test=1000, seed=0)
"""

from experiments.datasets.dataset import Dataset, subset
from experiments.datasets.inputs import prepare
from experiments.datasets.load import NAMES, load_dataset

__all__ = ["NAMES", "Dataset", "load_dataset", "prepare", "subset"]
