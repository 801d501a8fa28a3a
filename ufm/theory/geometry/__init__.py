"""The geometry of the joint optimum in closed form: one-hot and smoothed labels, label laws made for a geometry."""
