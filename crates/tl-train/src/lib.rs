pub mod logistic;
pub mod metrics;
