//! The registry of networks.

use std::collections::HashSet;

use tl::Network;
use tl::models::Architecture;

#[test]
fn every_network_bears_the_name_by_which_it_is_asked_for() {
    let device = tl::device("flex").unwrap();
    let names = tl::networks();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "two share a name");
    for name in names {
        let network = Network::by_name(name, &device).unwrap();
        assert_eq!(network.name(), name);
        assert!(Network::check_name(name).is_ok());
        assert!(!network.head_name().is_empty());
    }
    let refusal = Network::by_name("resnet19", &device).unwrap_err().to_string();
    assert!(refusal.contains("resnet19") && refusal.contains("efficientnet_b0"), "{refusal}");
}
